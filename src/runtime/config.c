/* config.c - PyConfig and PyPreConfig: defaults, command line, environment, paths.
 *
 * One table (specs) names every field once; copying, clearing, PyConfig_Get/Set/Names,
 * PyInitConfig and the dict form all walk it. Reading a configuration goes: command line,
 * environment, -X options, defaults, paths. Everything here runs before there is a heap,
 * so it knows only wchar_t strings from PyMem_Raw*, and errors are PyStatus values.
 *
 * Paths: PYTHONHOME, else pyvenv.cfg beside or above the executable, else the directory
 * above the executable that has lib/python3.14/os.py, else NAJA_HOME, else the
 * development library the build names (NJ_DEV_STDLIB).
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/config_int.h"
#include "runtime/runtime.h"
#include "runtime/usage_text.h"
#include "vm/perf_map.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#ifndef NJ_DEV_STDLIB
#define NJ_DEV_STDLIB ""
#endif

#define F(name) #name, offsetof(PyConfig, name)

const NjConfigSpec nj_config_specs[] = {
    /* public, in the order of the reference's table */
    {F(argv), CFG_LIST, CFG_PUBLIC, "argv", -1},
    {F(base_exec_prefix), CFG_WSTR_OPT, CFG_PUBLIC, "base_exec_prefix", -1},
    {F(base_executable), CFG_WSTR_OPT, CFG_PUBLIC, "_base_executable", -1},
    {F(base_prefix), CFG_WSTR_OPT, CFG_PUBLIC, "base_prefix", -1},
    {F(bytes_warning), CFG_UINT, CFG_PUBLIC, NULL, 9},
    {F(cpu_count), CFG_INT, CFG_PUBLIC, NULL, -1},
    {F(exec_prefix), CFG_WSTR_OPT, CFG_PUBLIC, "exec_prefix", -1},
    {F(executable), CFG_WSTR_OPT, CFG_PUBLIC, "executable", -1},
    {F(inspect), CFG_BOOL, CFG_PUBLIC, NULL, 1},
    {F(int_max_str_digits), CFG_UINT, CFG_PUBLIC, NULL, 17},
    {F(interactive), CFG_BOOL, CFG_PUBLIC, NULL, 2},
    {F(module_search_paths), CFG_LIST, CFG_PUBLIC, "path", -1},
    {F(optimization_level), CFG_UINT, CFG_PUBLIC, NULL, 3},
    {F(parser_debug), CFG_BOOL, CFG_PUBLIC, NULL, 0},
    {F(platlibdir), CFG_WSTR, CFG_PUBLIC, "platlibdir", -1},
    {F(prefix), CFG_WSTR_OPT, CFG_PUBLIC, "prefix", -1},
    {F(pycache_prefix), CFG_WSTR_OPT, CFG_PUBLIC, "pycache_prefix", -1},
    {F(quiet), CFG_BOOL, CFG_PUBLIC, NULL, 10},
    {F(stdlib_dir), CFG_WSTR_OPT, CFG_PUBLIC, "_stdlib_dir", -1},
    {F(use_environment), CFG_BOOL, CFG_PUBLIC, NULL, 7},
    {F(verbose), CFG_UINT, CFG_PUBLIC, NULL, 8},
    {F(warnoptions), CFG_LIST, CFG_PUBLIC, "warnoptions", -1},
    {F(write_bytecode), CFG_BOOL, CFG_PUBLIC, NULL, 4},
    {F(xoptions), CFG_LIST, CFG_PUBLIC, "_xoptions", -1},
    /* read only */
    {F(buffered_stdio), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(check_hash_pycs_mode), CFG_WSTR, CFG_READ_ONLY, NULL, -1},
    {F(code_debug_ranges), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(configure_c_stdio), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(dev_mode), CFG_BOOL, CFG_READ_ONLY, NULL, 13},
    {F(dump_refs), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(dump_refs_file), CFG_WSTR_OPT, CFG_READ_ONLY, NULL, -1},
    {F(faulthandler), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(filesystem_encoding), CFG_WSTR, CFG_READ_ONLY, NULL, -1},
    {F(filesystem_errors), CFG_WSTR, CFG_READ_ONLY, NULL, -1},
    {F(hash_seed), CFG_ULONG, CFG_READ_ONLY, NULL, -1},
    {F(home), CFG_WSTR_OPT, CFG_READ_ONLY, NULL, -1},
    {F(thread_inherit_context), CFG_INT, CFG_READ_ONLY, NULL, -1},
    {F(context_aware_warnings), CFG_INT, CFG_READ_ONLY, NULL, -1},
    {F(import_time), CFG_UINT, CFG_READ_ONLY, NULL, -1},
    {F(install_signal_handlers), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(isolated), CFG_BOOL, CFG_READ_ONLY, NULL, 12},
    {F(malloc_stats), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(orig_argv), CFG_LIST, CFG_READ_ONLY, "orig_argv", -1},
    {F(parse_argv), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(pathconfig_warnings), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(perf_profiling), CFG_UINT, CFG_READ_ONLY, NULL, -1},
    {F(remote_debug), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(program_name), CFG_WSTR, CFG_READ_ONLY, NULL, -1},
    {F(run_command), CFG_WSTR_OPT, CFG_READ_ONLY, NULL, -1},
    {F(run_filename), CFG_WSTR_OPT, CFG_READ_ONLY, NULL, -1},
    {F(run_module), CFG_WSTR_OPT, CFG_READ_ONLY, NULL, -1},
    {F(safe_path), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(show_ref_count), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(site_import), CFG_BOOL, CFG_READ_ONLY, NULL, 6},
    {F(skip_source_first_line), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(stdio_encoding), CFG_WSTR, CFG_READ_ONLY, NULL, -1},
    {F(stdio_errors), CFG_WSTR, CFG_READ_ONLY, NULL, -1},
    {F(tracemalloc), CFG_UINT, CFG_READ_ONLY, NULL, -1},
    {F(use_frozen_modules), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(use_hash_seed), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    {F(user_site_directory), CFG_BOOL, CFG_READ_ONLY, NULL, 5},
    {F(warn_default_encoding), CFG_BOOL, CFG_READ_ONLY, NULL, -1},
    /* inner */
    {F(_config_init), CFG_UINT, CFG_INNER, NULL, -1},
    {F(_init_main), CFG_BOOL, CFG_INNER, NULL, -1},
    {F(_install_importlib), CFG_BOOL, CFG_INNER, NULL, -1},
    {F(_is_python_build), CFG_BOOL, CFG_INNER, NULL, -1},
    {F(module_search_paths_set), CFG_BOOL, CFG_INNER, NULL, -1},
    {F(pythonpath_env), CFG_WSTR_OPT, CFG_INNER, NULL, -1},
    {F(sys_path_0), CFG_WSTR_OPT, CFG_INNER, NULL, -1},
    {NULL, 0, 0, 0, NULL, -1},
};
#undef F

#define OK() PyStatus_Ok()
#define ERR_IN(where, msg)                                                             \
    ((PyStatus){._type = _PyStatus_TYPE_ERROR, .func = (where), .err_msg = (msg)})
#define TRY(expr)                                                                      \
    do {                                                                               \
        PyStatus st_ = (expr);                                                         \
        if (PyStatus_Exception(st_)) {                                                 \
            return st_;                                                                \
        }                                                                              \
    } while (0)

/* --- strings and lists ------------------------------------------------------------------ */

static wchar_t *
dup_wide(const wchar_t *s)
{
    size_t n = (wcslen(s) + 1) * sizeof *s;
    wchar_t *p = PyMem_RawMalloc(n);
    return p ? memcpy(p, s, n) : NULL;
}

static void
clear_list(PyWideStringList *l)
{
    for (Py_ssize_t i = 0; i < l->length; i++) {
        PyMem_RawFree(l->items[i]);
    }
    PyMem_RawFree(l->items);
    l->length = 0;
    l->items = NULL;
}

PyStatus
PyWideStringList_Insert(PyWideStringList *l, Py_ssize_t at, const wchar_t *item)
{
    if (at < 0) {
        return PyStatus_Error("PyWideStringList_Insert index must be >= 0");
    }
    if (at > l->length) {
        at = l->length;
    }
    wchar_t *copy = dup_wide(item);
    wchar_t **items =
        copy ? PyMem_RawRealloc(l->items, (size_t)(l->length + 1) * sizeof *items) : NULL;
    if (!items) {
        PyMem_RawFree(copy);
        return PyStatus_NoMemory();
    }
    memmove(&items[at + 1], &items[at], (size_t)(l->length - at) * sizeof *items);
    items[at] = copy;
    l->items = items;
    l->length++;
    return OK();
}

PyStatus
PyWideStringList_Append(PyWideStringList *l, const wchar_t *item)
{
    return PyWideStringList_Insert(l, l->length, item);
}

static PyStatus
copy_list(PyWideStringList *dst, const PyWideStringList *src)
{
    PyWideStringList l = {0, NULL};
    for (Py_ssize_t i = 0; i < src->length; i++) {
        PyStatus st = PyWideStringList_Append(&l, src->items[i]);
        if (PyStatus_Exception(st)) {
            clear_list(&l);
            return st;
        }
    }
    clear_list(dst);
    *dst = l;
    return OK();
}

/* --- locale -------------------------------------------------------------------------------- */

/* --- PyPreConfig ------------------------------------------------------------------------------ */

void
PyPreConfig_InitPythonConfig(PyPreConfig *c)
{
    nj_runtime_init();
    memset(c, 0, sizeof *c);
    c->_config_init = 2;
    c->parse_argv = 1;
    c->isolated = 0;
    c->use_environment = 1;
    c->configure_locale = 1;
    c->coerce_c_locale = -1;
    c->coerce_c_locale_warn = -1;
    c->utf8_mode = -1;
    c->dev_mode = -1;
    c->allocator = PYMEM_ALLOCATOR_NOT_SET;
}

void
PyPreConfig_InitIsolatedConfig(PyPreConfig *c)
{
    nj_runtime_init();
    memset(c, 0, sizeof *c);
    c->_config_init = 3;
    c->isolated = 1;
    c->utf8_mode = 0;
    c->dev_mode = 0;
    c->allocator = PYMEM_ALLOCATOR_NOT_SET;
}

static const char *
env(int use, const char *name)
{
    const char *v = use ? getenv(name) : NULL;
    return v && *v ? v : NULL;
}

static PyStatus
preinit(const PyPreConfig *src, Py_ssize_t argc, char *const *bargv, wchar_t *const *wargv)
{
    nj_runtime_init();
    if (nj_runtime.preinitialized) {
        return OK();
    }
    PyPreConfig c;
    if (src) {
        c = *src;
    }
    else {
        PyPreConfig_InitPythonConfig(&c);
        c.parse_argv = 0;
    }
    const char *utf8_opt = NULL;
    bool dev_opt = false;
    if (c.parse_argv) {
        for (Py_ssize_t i = 1; i < argc; i++) {
            char buf[64];
            const char *a = buf;
            if (bargv) {
                a = bargv[i];
            }
            else {
                size_t k = 0;
                while (wargv[i][k] && k < 63) {
                    buf[k] = wargv[i][k] < 128 ? (char)wargv[i][k] : '?';
                    k++;
                }
                buf[k] = 0;
            }
            if (a[0] != '-' || !a[1] || strcmp(a, "--") == 0) {
                break;
            }
            if (a[1] == '-') {
                if (strcmp(a, "--check-hash-based-pycs") == 0) {
                    i++;
                }
                continue;
            }
            bool stop = false;
            for (const char *p = a + 1; *p; p++) {
                if (*p == 'E') {
                    c.use_environment = 0;
                }
                else if (*p == 'I') {
                    c.isolated = 1;
                    c.use_environment = 0;
                }
                else if (*p == 'c' || *p == 'm') {
                    stop = true;
                    break;
                }
                else if (*p == 'X' || *p == 'W') {
                    const char *v = p[1] ? p + 1 : NULL;
                    char vbuf[64];
                    if (!v && i + 1 < argc) {
                        i++;
                        if (bargv) {
                            v = bargv[i];
                        }
                        else {
                            size_t k = 0;
                            while (wargv[i][k] && k < 63) {
                                vbuf[k] = wargv[i][k] < 128 ? (char)wargv[i][k] : '?';
                                k++;
                            }
                            vbuf[k] = 0;
                            v = vbuf;
                        }
                    }
                    if (*p == 'X' && v) {
                        if (strcmp(v, "utf8") == 0 || strcmp(v, "utf8=1") == 0) {
                            utf8_opt = "1";
                        }
                        else if (strcmp(v, "utf8=0") == 0) {
                            utf8_opt = "0";
                        }
                        else if (strncmp(v, "utf8=", 5) == 0) {
                            return ERR_IN("preconfig_init_utf8_mode",
                                          "invalid -X utf8 option value");
                        }
                        else if (strcmp(v, "dev") == 0) {
                            dev_opt = true;
                        }
                    }
                    break;
                }
            }
            if (stop) {
                break;
            }
        }
    }
    int use_env = c.use_environment;
    if (c.dev_mode < 0) {
        c.dev_mode = dev_opt || env(use_env, "PYTHONDEVMODE") != NULL;
    }
    const char *loc_before = c.configure_locale ? setlocale(LC_CTYPE, "") : NULL;
    bool c_locale = false;
    if (c.configure_locale) {
        const char *cur = setlocale(LC_CTYPE, NULL);
        c_locale = !loc_before || (cur && (strcmp(cur, "C") == 0 || strcmp(cur, "POSIX") == 0));
        const char *co = env(use_env, "PYTHONCOERCECLOCALE");
        if (co && c.coerce_c_locale < 0) {
            if (strcmp(co, "0") == 0) {
                c.coerce_c_locale = 0;
            }
            else if (strcmp(co, "warn") == 0) {
                c.coerce_c_locale_warn = 1;
            }
            else {
                c.coerce_c_locale = 1;
            }
        }
    }
    if (c.utf8_mode < 0) {
        const char *v = utf8_opt ? utf8_opt : env(use_env, "PYTHONUTF8");
        if (v) {
            if (strcmp(v, "1") == 0) {
                c.utf8_mode = 1;
            }
            else if (strcmp(v, "0") == 0) {
                c.utf8_mode = 0;
            }
            else {
                return ERR_IN("preconfig_init_utf8_mode",
                              "invalid PYTHONUTF8 environment variable value");
            }
        }
        else {
            c.utf8_mode = c_locale ? 1 : 0;
        }
    }
    bool may_coerce = c.configure_locale && c_locale && c.coerce_c_locale != 0;
    c.coerce_c_locale = 0;
    c.coerce_c_locale_warn = c.coerce_c_locale_warn == 1;
    const char *lc_all = getenv("LC_ALL");
    if (may_coerce && !(lc_all && *lc_all)) {
        static const char *const targets[] = {"C.UTF-8", "C.utf8", "UTF-8"};
        for (size_t i = 0; i < NJ_ARRAY_LEN(targets); i++) {
            if (setlocale(LC_CTYPE, targets[i])) {
                c.coerce_c_locale = 2; /* done */
                if (c.coerce_c_locale_warn) {
                    fprintf(stderr,
                            "Python detected LC_CTYPE=C: LC_CTYPE coerced to %.20s (set "
                            "another locale or PYTHONCOERCECLOCALE=0 to disable this locale "
                            "coercion behavior).\n",
                            targets[i]);
                }
                setenv("LC_CTYPE", targets[i], 1);
                setlocale(LC_ALL, "C");
                setlocale(LC_CTYPE, targets[i]);
                break;
            }
        }
    }
    if (c.allocator == PYMEM_ALLOCATOR_NOT_SET) {
        const char *v = env(use_env, "PYTHONMALLOC");
        if (v) {
            if (nj_mem_configure(v) < 0) {
                return ERR_IN("preconfig_init_allocator",
                              "PYTHONMALLOC: unknown allocator");
            }
        }
        else if (c.dev_mode > 0) {
            nj_mem_configure_preset(PYMEM_ALLOCATOR_DEBUG);
        }
    }
    else if (nj_mem_configure_preset((PyMemAllocatorName)c.allocator) < 0) {
        return PyStatus_Error("unknown memory allocator");
    }
    nj_runtime.preconfig = c;
    nj_runtime.preinitialized = true;
    nj_set_legacy_utf8(c.utf8_mode);
    return OK();
}

PyStatus
Py_PreInitialize(const PyPreConfig *c)
{
    return preinit(c, 0, NULL, NULL);
}

PyStatus
Py_PreInitializeFromBytesArgs(const PyPreConfig *c, Py_ssize_t argc, char **argv)
{
    return preinit(c, argc, argv, NULL);
}

PyStatus
Py_PreInitializeFromArgs(const PyPreConfig *c, Py_ssize_t argc, wchar_t **argv)
{
    return preinit(c, argc, NULL, argv);
}

PyStatus
nj_preinit_from_config(const PyConfig *config)
{
    if (nj_runtime.preinitialized) {
        return OK();
    }
    PyPreConfig c;
    PyPreConfig_InitPythonConfig(&c);
    c._config_init = config->_config_init;
    c.parse_argv = config->parse_argv;
    c.isolated = config->isolated;
    c.use_environment = config->use_environment;
    c.dev_mode = config->dev_mode;
    c.configure_locale = config->_config_init != 3;
    if (config->_config_init == 3) {
        c.utf8_mode = 0;
    }
    return preinit(&c, config->argv.length, NULL, config->argv.items);
}

/* --- PyConfig basics ---------------------------------------------------------------------------- */

static void
init_common(PyConfig *c)
{
    nj_runtime_init();
    memset(c, 0, sizeof *c);
    c->use_hash_seed = -1;
    c->faulthandler = -1;
    c->tracemalloc = -1;
    c->perf_profiling = -1;
    c->remote_debug = -1;
    c->import_time = -1;
    c->code_debug_ranges = 1;
    c->site_import = 1;
    c->write_bytecode = 1;
    c->buffered_stdio = 1;
    c->user_site_directory = 1;
    c->pathconfig_warnings = 1;
    c->_install_importlib = 1;
    c->_init_main = 1;
    c->int_max_str_digits = -1;
    c->use_frozen_modules = 1;
    c->cpu_count = -1;
    c->dev_mode = -1;
}

void
PyConfig_InitPythonConfig(PyConfig *c)
{
    init_common(c);
    c->_config_init = 2;
    c->use_environment = 1;
    c->configure_c_stdio = 1;
    c->parse_argv = 1;
    c->install_signal_handlers = 1;
}

void
PyConfig_InitIsolatedConfig(PyConfig *c)
{
    init_common(c);
    c->_config_init = 3;
    c->isolated = 1;
    c->user_site_directory = 0;
    c->dev_mode = 0;
    c->use_hash_seed = 0;
    c->hash_seed = 0;
    c->tracemalloc = 0;
    c->perf_profiling = 0;
    c->int_max_str_digits = 4300;
    c->safe_path = 1;
    c->pathconfig_warnings = 0;
}

void
PyConfig_Clear(PyConfig *c)
{
    for (const NjConfigSpec *s = nj_config_specs; s->name; s++) {
        void *field = (char *)c + s->offset;
        if (s->kind == CFG_LIST) {
            clear_list(field);
        }
        else if (s->kind == CFG_WSTR || s->kind == CFG_WSTR_OPT) {
            PyMem_RawFree(*(wchar_t **)field);
            *(wchar_t **)field = NULL;
        }
    }
}

PyStatus
PyConfig_SetString(PyConfig *c, wchar_t **field, const wchar_t *s)
{
    TRY(nj_preinit_from_config(c));
    wchar_t *copy = NULL;
    if (s) {
        copy = dup_wide(s);
        if (!copy) {
            return PyStatus_NoMemory();
        }
    }
    PyMem_RawFree(*field);
    *field = copy;
    return OK();
}

PyStatus
PyConfig_SetBytesString(PyConfig *c, wchar_t **field, const char *s)
{
    TRY(nj_preinit_from_config(c));
    wchar_t *w = NULL;
    if (s) {
        w = Py_DecodeLocale(s, NULL);
        if (!w) {
            return PyStatus_NoMemory();
        }
    }
    PyMem_RawFree(*field);
    *field = w;
    return OK();
}

PyStatus
nj_config_copy(PyConfig *dst, const PyConfig *src)
{
    PyConfig_Clear(dst);
    for (const NjConfigSpec *s = nj_config_specs; s->name; s++) {
        void *d = (char *)dst + s->offset;
        const void *p = (const char *)src + s->offset;
        switch (s->kind) {
        case CFG_LIST:
            TRY(copy_list(d, p));
            break;
        case CFG_WSTR:
        case CFG_WSTR_OPT: {
            const wchar_t *w = *(wchar_t *const *)p;
            if (w && !(*(wchar_t **)d = dup_wide(w))) {
                return PyStatus_NoMemory();
            }
            break;
        }
        case CFG_ULONG:
            *(unsigned long *)d = *(const unsigned long *)p;
            break;
        default:
            *(int *)d = *(const int *)p;
        }
    }
    return OK();
}

PyStatus
PyConfig_SetWideStringList(PyConfig *c, PyWideStringList *list, Py_ssize_t n,
                           wchar_t **items)
{
    TRY(nj_preinit_from_config(c));
    PyWideStringList l = {n, items};
    return copy_list(list, &l);
}

PyStatus
PyConfig_SetArgv(PyConfig *c, Py_ssize_t argc, wchar_t *const *argv)
{
    if (!nj_runtime.preinitialized) {
        PyPreConfig p;
        PyPreConfig_InitPythonConfig(&p);
        p.parse_argv = c->parse_argv;
        p.isolated = c->isolated;
        p.use_environment = c->use_environment;
        p.dev_mode = c->dev_mode;
        TRY(preinit(&p, argc, NULL, argv));
    }
    PyWideStringList l = {argc, (wchar_t **)argv};
    return copy_list(&c->argv, &l);
}

PyStatus
PyConfig_SetBytesArgv(PyConfig *c, Py_ssize_t argc, char *const *argv)
{
    if (!nj_runtime.preinitialized) {
        PyPreConfig p;
        PyPreConfig_InitPythonConfig(&p);
        p.parse_argv = c->parse_argv;
        p.isolated = c->isolated;
        p.use_environment = c->use_environment;
        p.dev_mode = c->dev_mode;
        TRY(preinit(&p, argc, argv, NULL));
    }
    clear_list(&c->argv);
    for (Py_ssize_t i = 0; i < argc; i++) {
        wchar_t *w = Py_DecodeLocale(argv[i], NULL);
        if (!w) {
            return PyStatus_NoMemory();
        }
        PyStatus st = PyWideStringList_Append(&c->argv, w);
        PyMem_RawFree(w);
        TRY(st);
    }
    return OK();
}

/* --- command line ------------------------------------------------------------------------------- */

void
nj_config_usage(int what, const wchar_t *program)
{
    FILE *f = what < 0 ? stderr : stdout;
    if (what == 1) {
        fputs(usage_env, f);
        return;
    }
    if (what == 2) {
        fputs(usage_xoptions, f);
        return;
    }
    fprintf(f, "usage: %ls [option] ... [-c cmd | -m mod | file | -] [arg] ...\n", program);
    if (what < 0) {
        fprintf(f, "Try `python -h' for more information.\n");
        return;
    }
    fputs(usage_options, f);
    if (what == 3) {
        fputc('\n', f);
        fputs(usage_env, f);
        fputc('\n', f);
        fputs(usage_xoptions, f);
    }
}

static const wchar_t *
xoption(const PyConfig *c, const wchar_t *name)
{
    size_t n = wcslen(name);
    for (Py_ssize_t i = c->xoptions.length - 1; i >= 0; i--) {
        const wchar_t *x = c->xoptions.items[i];
        if (wcsncmp(x, name, n) == 0 && (x[n] == 0 || x[n] == L'=')) {
            return x;
        }
    }
    return NULL;
}

static const wchar_t *
xvalue(const wchar_t *x)
{
    const wchar_t *eq = x ? wcschr(x, L'=') : NULL;
    return eq ? eq + 1 : NULL;
}

static PyStatus
parse_command_line(PyConfig *c, PyWideStringList *cmd_warn)
{
    const PyWideStringList *argv = &c->argv;
    const wchar_t *program = c->program_name;
    Py_ssize_t i = 1;
    int print_version = 0, help = -1;
    const wchar_t *cur = NULL;
    bool code = false;
    while (!code) {
        if (!cur || !*cur) {
            if (i >= argv->length) {
                break;
            }
            const wchar_t *a = argv->items[i];
            if (a[0] != L'-' || !a[1]) {
                break;
            }
            if (wcscmp(a, L"--") == 0) {
                i++;
                break;
            }
            if (wcscmp(a, L"--help") == 0) {
                help = 0;
                i++;
                continue;
            }
            if (wcscmp(a, L"--version") == 0) {
                print_version++;
                i++;
                continue;
            }
            if (wcscmp(a, L"--help-env") == 0) {
                help = 1;
                i++;
                continue;
            }
            if (wcscmp(a, L"--help-xoptions") == 0) {
                help = 2;
                i++;
                continue;
            }
            if (wcscmp(a, L"--help-all") == 0) {
                help = 3;
                i++;
                continue;
            }
            if (wcscmp(a, L"--check-hash-based-pycs") == 0) {
                if (i + 1 >= argv->length) {
                    fprintf(stderr, "Argument expected for the %ls option\n", a);
                    nj_config_usage(-1, program);
                    return PyStatus_Exit(2);
                }
                const wchar_t *v = argv->items[i + 1];
                if (wcscmp(v, L"always") && wcscmp(v, L"never") && wcscmp(v, L"default")) {
                    fprintf(stderr, "--check-hash-based-pycs must be one of 'default', "
                                    "'always', or 'never'\n");
                    nj_config_usage(-1, program);
                    return PyStatus_Exit(2);
                }
                TRY(PyConfig_SetString(c, &c->check_hash_pycs_mode, v));
                i += 2;
                continue;
            }
            if (a[1] == L'-') {
                fprintf(stderr, "Unknown option: %ls\n", a);
                nj_config_usage(-1, program);
                return PyStatus_Exit(2);
            }
            cur = a + 1;
            i++;
        }
        wchar_t o = *cur++;
        const wchar_t *arg = NULL;
        if (o == L'c' || o == L'm' || o == L'W' || o == L'X' || o == L'J') {
            if (*cur) {
                arg = cur;
            }
            else if (i < argv->length) {
                arg = argv->items[i++];
            }
            else {
                fprintf(stderr, "Argument expected for the -%lc option\n", (wint_t)o);
                nj_config_usage(-1, program);
                return PyStatus_Exit(2);
            }
            cur = NULL;
        }
        switch (o) {
        case L'c': {
            size_t n = wcslen(arg);
            wchar_t *w = PyMem_RawMalloc((n + 2) * sizeof *w);
            if (!w) {
                return PyStatus_NoMemory();
            }
            memcpy(w, arg, n * sizeof *w);
            w[n] = L'\n';
            w[n + 1] = 0;
            PyMem_RawFree(c->run_command);
            c->run_command = w;
            code = true;
            break;
        }
        case L'm':
            TRY(PyConfig_SetString(c, &c->run_module, arg));
            code = true;
            break;
        case L'b':
            c->bytes_warning++;
            break;
        case L'd':
            c->parser_debug = 1;
            break;
        case L'i':
            c->inspect++;
            c->interactive++;
            break;
        case L'E':
            c->use_environment = 0;
            break;
        case L'I':
            c->isolated = 1;
            c->use_environment = 0;
            c->user_site_directory = 0;
            c->safe_path = 1;
            break;
        case L'O':
            c->optimization_level++;
            break;
        case L'P':
            c->safe_path = 1;
            break;
        case L'B':
            c->write_bytecode = 0;
            break;
        case L's':
            c->user_site_directory = 0;
            break;
        case L'S':
            c->site_import = 0;
            break;
        case L't':
            break;
        case L'R':
            c->use_hash_seed = 0;
            break;
        case L'u':
            c->buffered_stdio = 0;
            break;
        case L'v':
            c->verbose++;
            break;
        case L'x':
            c->skip_source_first_line = 1;
            break;
        case L'h':
        case L'?':
            help = 0;
            break;
        case L'V':
            print_version++;
            break;
        case L'q':
            c->quiet++;
            break;
        case L'W':
            TRY(PyWideStringList_Append(cmd_warn, arg));
            break;
        case L'X':
            TRY(PyWideStringList_Append(&c->xoptions, arg));
            break;
        default:
            fprintf(stderr, "Unknown option: -%lc\n", (wint_t)o);
            nj_config_usage(-1, program);
            return PyStatus_Exit(2);
        }
    }
    if (help >= 0) {
        nj_config_usage(help, program);
        return PyStatus_Exit(0);
    }
    if (print_version) {
        printf("Python %s\n", print_version >= 2 ? Py_GetVersion() : PY_VERSION);
        return PyStatus_Exit(0);
    }
    if (!c->run_command && !c->run_module && i < argv->length &&
        wcscmp(argv->items[i], L"-") != 0) {
        TRY(PyConfig_SetString(c, &c->run_filename, argv->items[i]));
        char cwd[PATH_MAX];
        if (argv->items[i][0] != L'/' && getcwd(cwd, sizeof cwd)) {
            wchar_t *w = Py_DecodeLocale(cwd, NULL);
            size_t n = w ? wcslen(w) + wcslen(argv->items[i]) + 2 : 0;
            wchar_t *full = n ? PyMem_RawMalloc(n * sizeof *full) : NULL;
            if (!full) {
                PyMem_RawFree(w);
                return PyStatus_NoMemory();
            }
            const wchar_t *rel = argv->items[i];
            while (rel[0] == L'.' && rel[1] == L'/') {
                rel += 2;
            }
            swprintf(full, n, L"%ls/%ls", w, rel);
            PyMem_RawFree(w);
            PyMem_RawFree(c->run_filename);
            c->run_filename = full;
        }
    }
    /* what is left is sys.argv */
    PyWideStringList rest = {0, NULL};
    if (c->run_command || c->run_module) {
        TRY(PyWideStringList_Append(&rest, c->run_command ? L"-c" : L"-m"));
    }
    else if (i >= argv->length) {
        TRY(PyWideStringList_Append(&rest, L""));
    }
    for (; i < argv->length; i++) {
        TRY(PyWideStringList_Append(&rest, argv->items[i]));
    }
    clear_list(&c->argv);
    c->argv = rest;
    return OK();
}

/* --- environment and -X ---------------------------------------------------------------------------- */

static void
env_flag(const PyConfig *c, const char *name, int *flag)
{
    const char *v = env(c->use_environment, name);
    if (!v) {
        return;
    }
    char *end;
    long n = strtol(v, &end, 10);
    if (*end || n < 0 || n > INT_MAX) {
        n = 1;
    }
    if (*flag < n) {
        *flag = (int)n;
    }
}

static PyStatus
env_string(PyConfig *c, const char *name, wchar_t **field)
{
    const char *v = env(c->use_environment, name);
    return v && !*field ? PyConfig_SetBytesString(c, field, v) : OK();
}

static bool
parse_int(const wchar_t *s, long min, long max, int *out)
{
    if (!s || !*s) {
        return false;
    }
    wchar_t *end;
    errno = 0;
    long v = wcstol(s, &end, 10);
    if (*end || errno || v < min || v > max) {
        return false;
    }
    *out = (int)v;
    return true;
}

/* -X name[=value] wins over the environment variable var. */
static PyStatus
int_option(const char *where, const PyConfig *c, const wchar_t *xname, const char *var, int present, long min,
           long max, int *out, const char *xerr, const char *everr)
{
    const wchar_t *x = xname ? xoption(c, xname) : NULL;
    if (x) {
        const wchar_t *v = xvalue(x);
        if (!v && present >= 0) {
            *out = present;
            return OK();
        }
        return parse_int(v, min, max, out) ? OK() : ERR_IN(where, xerr);
    }
    const char *e = var ? env(c->use_environment, var) : NULL;
    if (e) {
        wchar_t *w = Py_DecodeLocale(e, NULL);
        bool ok = w && parse_int(w, min, max, out);
        PyMem_RawFree(w);
        return ok ? OK() : ERR_IN(where, everr);
    }
    return OK();
}

static PyStatus
read_environment(PyConfig *c, const PyWideStringList *cmd_warn)
{
    int use = c->use_environment;
    env_flag(c, "PYTHONDEBUG", &c->parser_debug);
    c->parser_debug = c->parser_debug > 0;
    env_flag(c, "PYTHONVERBOSE", &c->verbose);
    env_flag(c, "PYTHONOPTIMIZE", &c->optimization_level);
    if (!c->inspect && env(use, "PYTHONINSPECT")) {
        c->inspect = 1;
    }
    int flag = 0;
    env_flag(c, "PYTHONDONTWRITEBYTECODE", &flag);
    if (flag) {
        c->write_bytecode = 0;
    }
    flag = 0;
    env_flag(c, "PYTHONNOUSERSITE", &flag);
    if (flag) {
        c->user_site_directory = 0;
    }
    flag = 0;
    env_flag(c, "PYTHONUNBUFFERED", &flag);
    if (flag) {
        c->buffered_stdio = 0;
    }
    if (env(use, "PYTHONSAFEPATH")) {
        c->safe_path = 1;
    }
    if (xoption(c, L"importtime") || env(use, "PYTHONPROFILEIMPORTTIME")) {
        int v = 1;
        const wchar_t *xv = xvalue(xoption(c, L"importtime"));
        const char *ev = xv ? NULL : env(use, "PYTHONPROFILEIMPORTTIME");
        wchar_t wide[16] = L"";
        for (size_t i = 0; ev && ev[i] && i < NJ_ARRAY_LEN(wide) - 1; i++) {
            wide[i] = (unsigned char)ev[i];
        }
        /* anything that is no number only switches it on */
        if (parse_int(ev ? wide : xv ? xv : L"", INT_MIN, INT_MAX, &v) && v != 1 && v != 2) {
            return ERR_IN("config_init_import_time",
                          ev ? "PYTHONPROFILEIMPORTTIME: numeric values other than 1 and 2 "
                               "are reserved for future use."
                             : "-X importtime: values other than 1 and 2 are reserved for "
                               "future use.");
        }
        c->import_time = v;
    }
    if (c->import_time < 0) {
        c->import_time = 0;
    }
    if (env(use, "PYTHONMALLOCSTATS")) {
        c->malloc_stats = 1;
    }
    if (env(use, "PYTHONDUMPREFS")) {
        c->dump_refs = 1;
    }
    TRY(env_string(c, "PYTHONHOME", &c->home));
    TRY(env_string(c, "PYTHONPLATLIBDIR", &c->platlibdir));
    if (!c->platlibdir) {
        TRY(PyConfig_SetString(c, &c->platlibdir, L"lib"));
    }
    TRY(env_string(c, "PYTHONPATH", &c->pythonpath_env));
    if (c->use_hash_seed < 0) {
        const char *v = env(use, "PYTHONHASHSEED");
        c->use_hash_seed = 0;
        if (v && strcmp(v, "random") != 0) {
            char *end;
            errno = 0;
            unsigned long n = strtoul(v, &end, 10);
            if (!isdigit((unsigned char)*v) || *end || n > 4294967295UL || errno) {
                return ERR_IN("config_init_hash_seed",
                              "PYTHONHASHSEED must be \"random\" or an integer in "
                                      "range [0; 4294967295]");
            }
            c->use_hash_seed = 1;
            c->hash_seed = n;
        }
    }
    if (c->faulthandler < 0) {
        c->faulthandler =
            xoption(c, L"faulthandler") || env(use, "PYTHONFAULTHANDLER") || c->dev_mode;
    }
    if (c->tracemalloc < 0) {
        c->tracemalloc = 0;
        TRY(int_option("config_init_tracemalloc", c, L"tracemalloc", "PYTHONTRACEMALLOC", 1, 0, INT_MAX,
                       &c->tracemalloc, "-X tracemalloc=NFRAME: invalid number of frames",
                       "PYTHONTRACEMALLOC: invalid number of frames"));
    }
    if (c->perf_profiling < 0) {
        const char *map = env(use, "PYTHONPERFSUPPORT");
        const char *dump = env(use, "PYTHON_PERF_JIT_SUPPORT");
        c->perf_profiling =
            xoption(c, L"perf_jit") || (dump && atoi(dump) > 0) ? NJ_PERF_DUMP
            : xoption(c, L"perf") || (map && atoi(map) > 0)     ? NJ_PERF_MAP
                                                                : NJ_PERF_OFF;
    }
    if (c->remote_debug < 0) {
        c->remote_debug = !(xoption(c, L"disable-remote-debug") ||
                            env(use, "PYTHON_DISABLE_REMOTE_DEBUG"));
    }
    if (c->int_max_str_digits < 0) {
        int v = 4300;
        static const char xerr[] =
            "-X int_max_str_digits: invalid limit; must be >= 640 or 0 for unlimited.";
        static const char eerr[] =
            "PYTHONINTMAXSTRDIGITS: invalid limit; must be >= 640 or 0 for unlimited.";
        TRY(int_option("config_init_int_max_str_digits", c, L"int_max_str_digits", "PYTHONINTMAXSTRDIGITS", -1, 0, INT_MAX,
                       &v, xerr, eerr));
        if (v && v < 640) {
            return ERR_IN("config_init_int_max_str_digits",
                          xoption(c, L"int_max_str_digits") ? xerr : eerr);
        }
        c->int_max_str_digits = v;
    }
    if (c->cpu_count < 0) {
        const wchar_t *xv = xvalue(xoption(c, L"cpu_count"));
        const char *e = env(use, "PYTHON_CPU_COUNT");
        if (!(xv && wcscmp(xv, L"default") == 0) &&
            !(!xv && e && strcmp(e, "default") == 0)) {
            TRY(int_option("config_init_cpu_count", c, L"cpu_count", "PYTHON_CPU_COUNT", -1, 1, INT_MAX,
                           &c->cpu_count,
                           "-X cpu_count=n option: n is missing or an invalid number, n "
                           "must be greater than 0",
                           "PYTHON_CPU_COUNT=n option: n must be greater than 0"));
        }
    }
    TRY(int_option("config_init_thread_inherit_context", c, L"thread_inherit_context", "PYTHON_THREAD_INHERIT_CONTEXT", -1, 0,
                   1, &c->thread_inherit_context,
                   "-X thread_inherit_context=n: n is missing or invalid",
                   "PYTHON_THREAD_INHERIT_CONTEXT=N: N is missing or invalid"));
    TRY(int_option("config_init_context_aware_warnings", c, L"context_aware_warnings", "PYTHON_CONTEXT_AWARE_WARNINGS", -1, 0,
                   1, &c->context_aware_warnings,
                   "-X context_aware_warnings=n: n is missing or invalid",
                   "PYTHON_CONTEXT_AWARE_WARNINGS=N: N is missing or invalid"));
    if (xoption(c, L"no_debug_ranges") || env(use, "PYTHONNODEBUGRANGES")) {
        c->code_debug_ranges = 0;
    }
    if (xoption(c, L"warn_default_encoding") || env(use, "PYTHONWARNDEFAULTENCODING")) {
        c->warn_default_encoding = 1;
    }
    const wchar_t *frozen = xoption(c, L"frozen_modules");
    if (frozen) {
        const wchar_t *v = xvalue(frozen);
        if (!v || !*v || wcscmp(v, L"on") == 0) {
            c->use_frozen_modules = 1;
        }
        else if (wcscmp(v, L"off") == 0) {
            c->use_frozen_modules = 0;
        }
        else {
            return PyStatus_Error("bad value for option -X frozen_modules "
                                  "(expected \"on\" or \"off\")");
        }
    }
    else if (env(use, "PYTHON_FROZEN_MODULES")) {
        const char *v = env(use, "PYTHON_FROZEN_MODULES");
        if (strcmp(v, "on") != 0 && strcmp(v, "off") != 0) {
            return PyStatus_Error("bad value for PYTHON_FROZEN_MODULES "
                                  "(expected \"on\" or \"off\")");
        }
        c->use_frozen_modules = v[1] == 'n';
    }
    const wchar_t *pp = xoption(c, L"pycache_prefix");
    if (pp) {
        const wchar_t *v = xvalue(pp);
        if (v && *v) {
            TRY(PyConfig_SetString(c, &c->pycache_prefix, v));
        }
    }
    else {
        TRY(env_string(c, "PYTHONPYCACHEPREFIX", &c->pycache_prefix));
    }
    /* warnings: dev mode, -b, environment, -W; the last one wins in the module */
    PyWideStringList w = {0, NULL};
    if (c->dev_mode) {
        TRY(PyWideStringList_Append(&w, L"default"));
    }
    const char *we = env(use, "PYTHONWARNINGS");
    if (we) {
        wchar_t *all = Py_DecodeLocale(we, NULL);
        if (!all) {
            return PyStatus_NoMemory();
        }
        wchar_t *save = NULL;
        for (wchar_t *t = wcstok(all, L",", &save); t; t = wcstok(NULL, L",", &save)) {
            TRY(PyWideStringList_Append(&w, t));
        }
        PyMem_RawFree(all);
    }
    for (Py_ssize_t i = 0; i < cmd_warn->length; i++) {
        TRY(PyWideStringList_Append(&w, cmd_warn->items[i]));
    }
    for (Py_ssize_t i = 0; i < c->warnoptions.length; i++) {
        TRY(PyWideStringList_Append(&w, c->warnoptions.items[i]));
    }
    if (c->bytes_warning) {
        TRY(PyWideStringList_Append(&w, c->bytes_warning > 1 ? L"error::BytesWarning"
                                                             : L"default::BytesWarning"));
    }
    clear_list(&c->warnoptions);
    c->warnoptions = w;
    return OK();
}

static PyStatus
read_encodings(PyConfig *c)
{
    /* aliases become the codec's name once codecs exist: encoding.c */
    const char *codeset = nl_langinfo(CODESET);
    if (!codeset || !*codeset || strcmp(codeset, "UTF-8") == 0) {
        codeset = "utf-8";
    }
    if (!c->filesystem_encoding) {
        TRY(PyConfig_SetBytesString(c, &c->filesystem_encoding,
                                    nj_runtime.preconfig.utf8_mode ? "utf-8" : codeset));
    }
    if (!c->filesystem_errors) {
        TRY(PyConfig_SetString(c, &c->filesystem_errors, L"surrogateescape"));
    }
    const char *v = env(c->use_environment, "PYTHONIOENCODING");
    if (v && (!c->stdio_encoding || !c->stdio_errors)) {
        const char *colon = strchr(v, ':');
        if (!c->stdio_encoding && colon != v) {
            char buf[200];
            snprintf(buf, sizeof buf, "%.*s", colon ? (int)(colon - v) : 199, v);
            TRY(PyConfig_SetBytesString(c, &c->stdio_encoding, buf));
        }
        if (!c->stdio_errors) {
            if (colon && colon[1]) {
                TRY(PyConfig_SetBytesString(c, &c->stdio_errors, colon + 1));
            }
            else if (!colon || colon != v) {
                TRY(PyConfig_SetString(c, &c->stdio_errors, L"strict"));
            }
        }
    }
    if (nj_runtime.preconfig.utf8_mode) {
        if (!c->stdio_encoding) {
            TRY(PyConfig_SetString(c, &c->stdio_encoding, L"utf-8"));
        }
        if (!c->stdio_errors) {
            TRY(PyConfig_SetString(c, &c->stdio_errors, L"surrogateescape"));
        }
    }
    if (!c->stdio_encoding) {
        TRY(PyConfig_SetBytesString(c, &c->stdio_encoding, codeset));
    }
    if (!c->stdio_errors) {
        const char *loc = setlocale(LC_CTYPE, NULL);
        bool esc = loc && (strcmp(loc, "C") == 0 || strcmp(loc, "POSIX") == 0 ||
                           strcmp(loc, "C.UTF-8") == 0 || strcmp(loc, "C.utf8") == 0 ||
                           strcmp(loc, "UTF-8") == 0);
        TRY(PyConfig_SetString(c, &c->stdio_errors, esc ? L"surrogateescape" : L"strict"));
    }
    return OK();
}

/* --- for error reports --------------------------------------------------------------------------- */

static void
print_wide(const wchar_t *s)
{
    if (!s) {
        fputs("(not set)", stderr);
        return;
    }
    fputc('\'', stderr);
    for (; *s; s++) {
        unsigned long c = (unsigned long)*s;
        if (c >= 0x20 && c < 0x7f) {
            fputc((int)c, stderr);
        }
        else {
            fprintf(stderr, c < 0x100 ? "\\x%02lx" : c < 0x10000 ? "\\u%04lx" : "\\U%08lx", c);
        }
    }
    fputc('\'', stderr);
}

/* Where the library was looked for: printed when it cannot be found. */
void
nj_config_dump_path(const PyConfig *c)
{
    fputs("Python path configuration:\n", stderr);
    struct {
        const char *label;
        const wchar_t *text;
    } head[] = {{"PYTHONHOME", c->home},
                {"PYTHONPATH", c->pythonpath_env},
                {"program name", c->program_name}},
      tail[] = {{"stdlib dir", c->stdlib_dir},
                {"sys.path[0]", c->sys_path_0},
                {"sys._base_executable", c->base_executable},
                {"sys.base_prefix", c->base_prefix},
                {"sys.base_exec_prefix", c->base_exec_prefix},
                {"sys.platlibdir", c->platlibdir},
                {"sys.executable", c->executable},
                {"sys.prefix", c->prefix},
                {"sys.exec_prefix", c->exec_prefix}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(head); i++) {
        fprintf(stderr, "  %s = ", head[i].label);
        print_wide(head[i].text);
        fputc('\n', stderr);
    }
    fprintf(stderr,
            "  isolated = %d\n  environment = %d\n  user site = %d\n  safe_path = %d\n"
            "  import site = %d\n  is in build tree = %d\n",
            c->isolated, c->use_environment, c->user_site_directory, c->safe_path,
            c->site_import, c->_is_python_build);
    for (size_t i = 0; i < NJ_ARRAY_LEN(tail); i++) {
        fprintf(stderr, "  %s = ", tail[i].label);
        print_wide(tail[i].text);
        fputc('\n', stderr);
    }
    fputs("  sys.path = [\n", stderr);
    for (Py_ssize_t i = 0; i < c->module_search_paths.length; i++) {
        fputs("    ", stderr);
        print_wide(c->module_search_paths.items[i]);
        fputs(",\n", stderr);
    }
    fputs("  ]\n", stderr);
}

/* --- paths --------------------------------------------------------------------------------------------- */

static bool
file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static bool
is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static void
cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == path) {
        path[1] = 0;
    }
    else if (slash) {
        *slash = 0;
    }
    else {
        *path = 0;
    }
}

static void
join(char *out, size_t n, const char *a, const char *b)
{
    size_t k = strlen(a);
    snprintf(out, n, "%s%s%s", a, k && a[k - 1] == '/' ? "" : "/", b);
}

/* Absolute path of the program as the user called it; links are not followed. */
static void
find_program(const char *name, char *out, size_t n)
{
    out[0] = 0;
    if (strchr(name, '/')) {
        if (name[0] == '/') {
            snprintf(out, n, "%s", name);
        }
        else {
            char cwd[PATH_MAX];
            if (getcwd(cwd, sizeof cwd)) {
                join(out, n, cwd, strncmp(name, "./", 2) == 0 ? name + 2 : name);
            }
        }
        return;
    }
    const char *path = getenv("PATH");
    while (path && *path) {
        const char *colon = strchr(path, ':');
        size_t k = colon ? (size_t)(colon - path) : strlen(path);
        char dir[PATH_MAX], cand[PATH_MAX * 2];
        if (k < sizeof dir) {
            memcpy(dir, path, k);
            dir[k] = 0;
            join(cand, sizeof cand, k ? dir : ".", name);
            if (is_program(cand)) {
                snprintf(out, n, "%s", cand);
                return;
            }
        }
        path = colon ? colon + 1 : NULL;
    }
    ssize_t r = readlink("/proc/self/exe", out, n - 1);
    out[r > 0 ? r : 0] = 0;
}

#define LIBNAME "python3.14"

static bool
has_stdlib(const char *prefix, char *lib, size_t n)
{
    char base[PATH_MAX * 2];
    join(lib, n, prefix, "lib/" LIBNAME);
    join(base, sizeof base, lib, "os.py");
    return file_exists(base);
}

/* value of `key = value' in a pyvenv.cfg, stripped */
static bool
cfg_value(const char *file, const char *key, char *out, size_t n)
{
    FILE *f = fopen(file, "re");
    if (!f) {
        return false;
    }
    char line[PATH_MAX + 64];
    bool found = false;
    while (!found && fgets(line, sizeof line, f)) {
        char *eq = strchr(line, '=');
        if (!eq) {
            continue;
        }
        char *end = eq;
        char *s = line;
        while (isspace((unsigned char)*s)) {
            s++;
        }
        while (end > s && isspace((unsigned char)end[-1])) {
            end--;
        }
        if ((size_t)(end - s) == strlen(key) && strncasecmp(s, key, strlen(key)) == 0) {
            char *v = eq + 1;
            while (isspace((unsigned char)*v)) {
                v++;
            }
            size_t k = strlen(v);
            while (k && isspace((unsigned char)v[k - 1])) {
                v[--k] = 0;
            }
            snprintf(out, n, "%s", v);
            found = true;
        }
    }
    fclose(f);
    return found;
}

/* The folder of libpython3.14.so when this code runs in it: an embedding program may be
 * anywhere, the library stands in its prefix. */
static bool
shared_library_dir(char out[PATH_MAX])
{
    Dl_info info;
    if (!dladdr(&nj_runtime, &info) || !info.dli_fname ||
        !strstr(info.dli_fname, "libpython3.") || !realpath(info.dli_fname, out)) {
        return false;
    }
    cut_last(out);
    return true;
}

/* EXECUTABLE._pth: the whole of sys.path, a line each, relative to its folder. Environment
 * and site are off unless a line says `import site'. 1: there was one. */
static int
read_pth(PyConfig *c, const char *exe, PyStatus *status)
{
    char buf[PATH_MAX * 3], dir[PATH_MAX * 2], path[PATH_MAX * 4];
    snprintf(buf, sizeof buf, "%s._pth", exe);
    FILE *f = *exe ? fopen(buf, "re") : NULL;
    if (!f) {
        return 0;
    }
    c->isolated = 1;
    c->use_environment = 0;
    c->site_import = 0;
    c->safe_path = 1;
    snprintf(dir, sizeof dir, "%s", exe);
    cut_last(dir);
    clear_list(&c->module_search_paths);
    wchar_t *field = NULL;
    *status = OK();
    while (!PyStatus_Exception(*status) && fgets(buf, sizeof buf, f)) {
        char *line = buf + strspn(buf, " \t"), *end = line + strlen(line);
        while (end > line && isspace((unsigned char)end[-1])) {
            *--end = 0;
        }
        if (!*line || *line == '#') {
            continue;
        }
        if (strncmp(line, "import ", 7) == 0) {
            if (strcmp(line, "import site") == 0) {
                c->site_import = 1;
            }
            else {
                fprintf(stderr, "unsupported 'import' line in ._pth file\n");
            }
            continue;
        }
        while (line[0] == '.' && line[1] == '/') {
            line += 2;
        }
        if (*line == '/') {
            snprintf(path, sizeof path, "%s", line);
        }
        else if (strcmp(line, ".") == 0) {
            snprintf(path, sizeof path, "%s", dir);
        }
        else if (strcmp(line, "..") == 0) {
            snprintf(path, sizeof path, "%s", dir);
            cut_last(path);
        }
        else {
            join(path, sizeof path, dir, line);
        }
        *status = PyConfig_SetBytesString(c, &field, path);
        if (!PyStatus_Exception(*status)) {
            *status = PyWideStringList_Append(&c->module_search_paths, field);
        }
    }
    fclose(f);
    c->module_search_paths_set = 1;
    if (!PyStatus_Exception(*status) && !c->home) {
        *status = PyConfig_SetBytesString(c, &c->home, dir);
    }
    PyMem_RawFree(field);
    return 1;
}

PyStatus
nj_config_compute_path(PyConfig *c)
{
    char exe[PATH_MAX * 2] = "", dir[PATH_MAX * 2], buf[PATH_MAX * 4];
    char prefix[PATH_MAX * 2] = "", base_prefix[PATH_MAX * 2] = "";
    char stdlib[PATH_MAX * 2] = "", base_exe[PATH_MAX * 2] = "";
    if (!c->executable) {
        char *name = c->program_name ? Py_EncodeLocale(c->program_name, NULL) : NULL;
        find_program(name ? name : "python3", exe, sizeof exe);
        PyMem_Free(name);
        TRY(PyConfig_SetBytesString(c, &c->executable, exe));
    }
    else {
        char *s = Py_EncodeLocale(c->executable, NULL);
        snprintf(exe, sizeof exe, "%s", s ? s : "");
        PyMem_Free(s);
    }
    if (!c->module_search_paths_set) {
        PyStatus st = OK();
        if (read_pth(c, exe, &st)) {
            TRY(st);
        }
    }
    /* a virtual environment? */
    char home[PATH_MAX * 2] = "";
    snprintf(dir, sizeof dir, "%s", exe);
    cut_last(dir);
    bool venv = false;
    char venv_prefix[PATH_MAX * 2] = "";
    if (!c->home && *dir) {
        join(buf, sizeof buf, dir, "pyvenv.cfg");
        snprintf(venv_prefix, sizeof venv_prefix, "%s", dir);
        if (!file_exists(buf)) {
            cut_last(venv_prefix);
            join(buf, sizeof buf, venv_prefix, "pyvenv.cfg");
        }
        if (cfg_value(buf, "home", home, sizeof home)) {
            venv = true;
            char real[PATH_MAX];
            const char *leaf = strrchr(exe, '/');
            leaf = leaf ? leaf + 1 : exe;
            char cfgexe[PATH_MAX * 2];
            if (cfg_value(buf, "executable", cfgexe, sizeof cfgexe) && is_program(cfgexe) &&
                strcmp(cfgexe, exe) != 0) {
                snprintf(base_exe, sizeof base_exe, "%s", cfgexe);
            }
            else if (realpath(exe, real) && strcmp(real, exe) != 0) {
                const char *rleaf = strrchr(real, '/');
                join(base_exe, sizeof base_exe, home, rleaf ? rleaf + 1 : leaf);
                if (!is_program(base_exe)) {
                    snprintf(base_exe, sizeof base_exe, "%s", real);
                }
            }
            else {
                join(base_exe, sizeof base_exe, home, leaf);
            }
        }
    }
    if (!*base_exe) {
        snprintf(base_exe, sizeof base_exe, "%s", exe);
    }
    if (c->home) {
        char *h = Py_EncodeLocale(c->home, NULL);
        snprintf(base_prefix, sizeof base_prefix, "%s", h ? h : "");
        PyMem_Free(h);
        char *colon = strchr(base_prefix, ':');
        if (colon) {
            *colon = 0;
        }
        join(stdlib, sizeof stdlib, base_prefix, "lib/" LIBNAME);
    }
    else {
        char real[PATH_MAX];
        bool found = false;
        char own[PATH_MAX];
        const char *starts[3] = {NULL, venv ? home : dir, NULL};
        if (!venv && shared_library_dir(own)) {
            starts[0] = own;
        }
        if (realpath(venv ? base_exe : exe, real)) {
            cut_last(real);
            starts[2] = real;
        }
        for (int i = 0; i < 3 && !found; i++) {
            if (!starts[i]) {
                continue;
            }
            snprintf(buf, sizeof buf, "%s", starts[i]);
            while (*buf) {
                if (has_stdlib(buf, stdlib, sizeof stdlib)) {
                    snprintf(base_prefix, sizeof base_prefix, "%.*s", PATH_MAX, buf);
                    found = true;
                    break;
                }
                if (strcmp(buf, "/") == 0) {
                    break;
                }
                cut_last(buf);
            }
        }
        if (!found) {
            const char *nh = getenv("NAJA_HOME");
            const char *dev = nh && *nh ? nh : NJ_DEV_STDLIB;
            if (*dev) {
                join(buf, sizeof buf, dev, "os.py");
                if (file_exists(buf)) {
                    snprintf(stdlib, sizeof stdlib, "%s", dev);
                    snprintf(base_prefix, sizeof base_prefix, "%s", dev);
                    cut_last(base_prefix);
                    cut_last(base_prefix);
                    found = true;
                }
                else if (has_stdlib(dev, stdlib, sizeof stdlib)) {
                    snprintf(base_prefix, sizeof base_prefix, "%s", dev);
                    found = true;
                }
            }
        }
        if (!found) {
            snprintf(base_prefix, sizeof base_prefix, "/usr/local");
            snprintf(stdlib, sizeof stdlib, "/usr/local/lib/" LIBNAME);
            if (c->pathconfig_warnings && !c->module_search_paths_set) {
                fprintf(stderr, "Could not find platform independent libraries <prefix>\n");
            }
        }
    }
    snprintf(prefix, sizeof prefix, "%s", venv ? venv_prefix : base_prefix);
    struct {
        wchar_t **field;
        const char *value;
    } out[] = {{&c->base_executable, base_exe},   {&c->prefix, prefix},
               {&c->exec_prefix, prefix},         {&c->base_prefix, base_prefix},
               {&c->base_exec_prefix, base_prefix}, {&c->stdlib_dir, stdlib}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(out); i++) {
        if (!*out[i].field) {
            TRY(PyConfig_SetBytesString(c, out[i].field, out[i].value));
        }
    }
    if (!c->module_search_paths_set) {
        clear_list(&c->module_search_paths);
        if (c->pythonpath_env) {
            const wchar_t *p = c->pythonpath_env;
            for (;;) {
                const wchar_t *colon = wcschr(p, L':');
                size_t k = colon ? (size_t)(colon - p) : wcslen(p);
                wchar_t *w = PyMem_RawMalloc((k + 1) * sizeof *w);
                if (!w) {
                    return PyStatus_NoMemory();
                }
                memcpy(w, p, k * sizeof *w);
                w[k] = 0;
                PyStatus st = PyWideStringList_Append(&c->module_search_paths, w);
                PyMem_RawFree(w);
                TRY(st);
                if (!colon) {
                    break;
                }
                p = colon + 1;
            }
        }
        wchar_t *field = NULL;
        join(buf, sizeof buf, base_prefix, "lib/python314.zip");
        TRY(PyConfig_SetBytesString(c, &field, buf));
        TRY(PyWideStringList_Append(&c->module_search_paths, field));
        TRY(PyWideStringList_Append(&c->module_search_paths, c->stdlib_dir));
        join(buf, sizeof buf, stdlib, "lib-dynload");
        /* the development library is the reference's: its extension modules are built
         * for its inside, not ours */
        const char *dyn = getenv("NAJA_DYNLOAD");
        if (dyn && *dyn) {
            snprintf(buf, sizeof buf, "%s", dyn);
        }
        if (dyn || strcmp(stdlib, NJ_DEV_STDLIB) != 0) {
            TRY(PyConfig_SetBytesString(c, &field, buf));
            TRY(PyWideStringList_Append(&c->module_search_paths, field));
        }
        PyMem_RawFree(field);
        c->module_search_paths_set = 1;
    }
    return OK();
}

PyStatus
nj_config_read(PyConfig *c, bool compute_path)
{
    TRY(nj_preinit_from_config(c));
    const PyPreConfig *pre = &nj_runtime.preconfig;
    if (pre->isolated > 0) {
        c->isolated = 1;
    }
    if (!pre->use_environment) {
        c->use_environment = 0;
    }
    if (c->isolated > 0) {
        c->use_environment = 0;
        c->user_site_directory = 0;
        c->safe_path = 1;
    }
    if (c->orig_argv.length == 0 &&
        !(c->argv.length == 1 && wcscmp(c->argv.items[0], L"") == 0)) {
        TRY(copy_list(&c->orig_argv, &c->argv));
    }
    if (!c->program_name) {
        const wchar_t *name = c->argv.length && c->argv.items[0][0] ? c->argv.items[0]
                                                                    : L"python3";
        TRY(PyConfig_SetString(c, &c->program_name, name));
    }
    PyWideStringList cmd_warn = {0, NULL};
    if (c->parse_argv == 1) {
        if (c->argv.length == 0) {
            TRY(PyWideStringList_Append(&c->argv, L""));
        }
        PyStatus st = parse_command_line(c, &cmd_warn);
        if (PyStatus_Exception(st)) {
            clear_list(&cmd_warn);
            return st;
        }
        c->parse_argv = 2;
    }
    if (c->dev_mode < 0) {
        c->dev_mode = xoption(c, L"dev") || env(c->use_environment, "PYTHONDEVMODE");
    }
    PyStatus st = read_environment(c, &cmd_warn);
    clear_list(&cmd_warn);
    TRY(st);
    TRY(read_encodings(c));
    if (c->argv.length == 0) {
        TRY(PyWideStringList_Append(&c->argv, L""));
    }
    if (!c->check_hash_pycs_mode) {
        TRY(PyConfig_SetString(c, &c->check_hash_pycs_mode, L"default"));
    }
    if (compute_path) {
        TRY(nj_config_compute_path(c));
    }
    return OK();
}

PyStatus
PyConfig_Read(PyConfig *c)
{
    return nj_config_read(c, true);
}

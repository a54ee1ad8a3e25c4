/* initconfig.c - PyStatus, PyConfig_Get/Set, PyInitConfig, and the old global flags.
 *
 * The table of fields stands in runtime/config.c.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/config_int.h"
#include "runtime/runtime.h"

#include <wchar.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* The flags of old; written at start, read by extensions that still do. */
int Py_DebugFlag, Py_VerboseFlag, Py_QuietFlag, Py_InteractiveFlag, Py_InspectFlag,
    Py_OptimizeFlag, Py_NoSiteFlag, Py_BytesWarningFlag, Py_FrozenFlag,
    Py_IgnoreEnvironmentFlag, Py_DontWriteBytecodeFlag, Py_NoUserSiteDirectory,
    Py_UnbufferedStdioFlag, Py_HashRandomizationFlag, Py_IsolatedFlag, Py_UTF8Mode;
const char *Py_FileSystemDefaultEncoding = NULL;
int Py_HasFileSystemDefaultEncoding = 0;
const char *Py_FileSystemDefaultEncodeErrors = NULL;
const unsigned long Py_Version = PY_VERSION_HEX;

void
nj_set_legacy_utf8(int mode)
{
    Py_UTF8Mode = mode;
}

PyAPI_FUNC(char *) Py_GETENV(const char *name);
char *
Py_GETENV(const char *name)
{
    return Py_IgnoreEnvironmentFlag ? NULL : getenv(name);
}

PyAPI_FUNC(const PyConfig *) _Py_GetConfig(void);
const PyConfig *
_Py_GetConfig(void)
{
    return nj_config();
}

PyStatus
nj_config_write_globals(const PyConfig *c)
{
    Py_DebugFlag = c->parser_debug;
    Py_VerboseFlag = c->verbose;
    Py_QuietFlag = c->quiet;
    Py_InteractiveFlag = c->interactive;
    Py_InspectFlag = c->inspect;
    Py_OptimizeFlag = c->optimization_level;
    Py_NoSiteFlag = !c->site_import;
    Py_BytesWarningFlag = c->bytes_warning;
    Py_IgnoreEnvironmentFlag = !c->use_environment;
    Py_DontWriteBytecodeFlag = !c->write_bytecode;
    Py_NoUserSiteDirectory = !c->user_site_directory;
    Py_UnbufferedStdioFlag = !c->buffered_stdio;
    Py_HashRandomizationFlag = c->use_hash_seed == 0 || c->hash_seed != 0;
    Py_IsolatedFlag = c->isolated;
    if (nj_encoding_preset(c) < 0) {
        return PyStatus_NoMemory();
    }
    nj_runtime.orig_argv = c->orig_argv;
    return PyStatus_Ok();
}

void
Py_GetArgcArgv(int *argc, wchar_t ***argv)
{
    const PyWideStringList *l = &nj_config()->orig_argv;
    if (argc) {
        *argc = (int)l->length;
    }
    if (argv) {
        *argv = l->items;
    }
}

/* --- PyStatus ---------------------------------------------------------------------------- */

PyStatus
PyStatus_Ok(void)
{
    return (PyStatus){._type = _PyStatus_TYPE_OK};
}

PyStatus
PyStatus_Error(const char *msg)
{
    return (PyStatus){._type = _PyStatus_TYPE_ERROR, .err_msg = msg};
}

PyStatus
PyStatus_NoMemory(void)
{
    return PyStatus_Error("memory allocation failed");
}

PyStatus
PyStatus_Exit(int code)
{
    return (PyStatus){._type = _PyStatus_TYPE_EXIT, .exitcode = code};
}

int
PyStatus_IsError(PyStatus s)
{
    return s._type == _PyStatus_TYPE_ERROR;
}

int
PyStatus_IsExit(PyStatus s)
{
    return s._type == _PyStatus_TYPE_EXIT;
}

int
PyStatus_Exception(PyStatus s)
{
    return s._type != _PyStatus_TYPE_OK;
}

/* --- PyConfig as objects -------------------------------------------------------------------- */

PyObject *
nj_wstrlist_as_list(const PyWideStringList *l)
{
    NJ_OWN list = PyList_New(l->length);
    if (!list) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < l->length; i++) {
        PyObject *s = PyUnicode_FromWideChar(l->items[i], -1);
        if (!s) {
            return NULL;
        }
        PyList_SET_ITEM(list, i, s);
    }
    return NJ_TAKE(list);
}

static const NjConfigSpec *
find_spec(const char *name)
{
    for (const NjConfigSpec *s = nj_config_specs; s->name; s++) {
        if (strcmp(s->name, name) == 0) {
            return s;
        }
    }
    return NULL;
}

/* Options of the preconfiguration that PyConfig does not repeat: read-only. */
typedef struct PreSpec {
    const char *name;
    size_t offset;
} PreSpec;
static const PreSpec pre_specs[] = {
    {"allocator", offsetof(PyPreConfig, allocator)},
    {"coerce_c_locale", offsetof(PyPreConfig, coerce_c_locale)},
    {"coerce_c_locale_warn", offsetof(PyPreConfig, coerce_c_locale_warn)},
    {"configure_locale", offsetof(PyPreConfig, configure_locale)},
    {"utf8_mode", offsetof(PyPreConfig, utf8_mode)},
};

static const PreSpec *
find_pre(const char *name)
{
    for (size_t i = 0; i < NJ_ARRAY_LEN(pre_specs); i++) {
        if (strcmp(pre_specs[i].name, name) == 0) {
            return &pre_specs[i];
        }
    }
    return NULL;
}

static PyObject *
get_field(const PyConfig *c, const NjConfigSpec *s)
{
    const void *p = (const char *)c + s->offset;
    switch (s->kind) {
    case CFG_LIST: {
        NJ_OWN l = nj_wstrlist_as_list(p);
        if (!l) {
            return NULL;
        }
        if (strcmp(s->name, "xoptions") == 0) {
            NJ_OWN d = PyDict_New();
            for (Py_ssize_t i = 0; d && i < PyList_GET_SIZE(l); i++) {
                NJ_OWN sep = PyUnicode_FromOrdinal('=');
                NJ_OWN parts = PyUnicode_Partition(PyList_GET_ITEM(l, i), sep);
                if (!parts) {
                    return NULL;
                }
                bool eq = PyUnicode_GET_LENGTH(PyTuple_GET_ITEM(parts, 1)) > 0;
                if (PyDict_SetItem(d, PyTuple_GET_ITEM(parts, 0),
                                   eq ? PyTuple_GET_ITEM(parts, 2) : Py_True) < 0) {
                    return NULL;
                }
            }
            return NJ_TAKE(d);
        }
        return PyList_AsTuple(l);
    }
    case CFG_WSTR:
    case CFG_WSTR_OPT: {
        const wchar_t *w = *(wchar_t *const *)p;
        return w ? PyUnicode_FromWideChar(w, -1) : Py_NewRef(Py_None);
    }
    case CFG_ULONG:
        return PyLong_FromUnsignedLong(*(const unsigned long *)p);
    case CFG_BOOL:
        return PyBool_FromLong(*(const int *)p);
    default:
        return PyLong_FromLong(*(const int *)p);
    }
}

PyObject *
nj_config_as_dict(const PyConfig *c)
{
    NJ_OWN d = PyDict_New();
    if (!d) {
        return NULL;
    }
    for (const NjConfigSpec *s = nj_config_specs; s->name; s++) {
        NJ_OWN v = get_field(c, s);
        if (!v || PyDict_SetItemString(d, s->name, v) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(d);
}

PyObject *
PyConfig_Get(const char *name)
{
    const NjConfigSpec *s = find_spec(name);
    if (s && s->visibility != CFG_INNER) {
        if (s->sysattr) {
            PyObject *v = PySys_GetObject(s->sysattr);
            if (!v) {
                PyErr_Format(PyExc_RuntimeError, "lost sys.%s", s->sysattr);
                return NULL;
            }
            return Py_NewRef(v);
        }
        if (strcmp(name, "write_bytecode") == 0) {
            PyObject *v = PySys_GetObject("dont_write_bytecode");
            int t = v ? PyObject_IsTrue(v) : -1;
            return t < 0 ? NULL : PyBool_FromLong(!t);
        }
        return get_field(nj_config(), s);
    }
    const PreSpec *pre = find_pre(name);
    if (pre) {
        int v = *(int *)((char *)&nj_runtime.preconfig + pre->offset);
        return strcmp(name, "allocator") == 0 ? PyLong_FromLong(v) : PyBool_FromLong(v);
    }
    PyErr_Format(PyExc_ValueError, "unknown config option name: %s", name);
    return NULL;
}

int
PyConfig_GetInt(const char *name, int *value)
{
    NJ_OWN v = PyConfig_Get(name);
    if (!v) {
        return -1;
    }
    if (!PyLong_Check(v)) {
        PyErr_Format(PyExc_TypeError, "config option %s is not an int", name);
        return -1;
    }
    int n = PyLong_AsInt(v);
    if (n == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        PyErr_Format(PyExc_OverflowError,
                     "config option %s value does not fit into a C int", name);
        return -1;
    }
    *value = n;
    return 0;
}

PyObject *
PyConfig_Names(void)
{
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    for (const NjConfigSpec *s = nj_config_specs; s->name; s++) {
        if (s->visibility == CFG_INNER) {
            continue;
        }
        NJ_OWN n = PyUnicode_FromString(s->name);
        if (!n || PyList_Append(list, n) < 0) {
            return NULL;
        }
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(pre_specs); i++) {
        NJ_OWN n = PyUnicode_FromString(pre_specs[i].name);
        if (!n || PyList_Append(list, n) < 0) {
            return NULL;
        }
    }
    return PyFrozenSet_New(list);
}

static int
check_strings(PyObject *value)
{
    if (!PyList_Check(value)) {
        PyErr_Format(PyExc_TypeError, "expected list[str], got %T", value);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value); i++) {
        PyObject *item = PyList_GET_ITEM(value, i);
        if (!PyUnicode_Check(item)) {
            PyErr_Format(PyExc_TypeError, "expected str, list item %zd has type %T", i, item);
            return -1;
        }
    }
    return 0;
}

static int
check_xoptions(PyObject *value)
{
    if (!PyDict_Check(value)) {
        PyErr_Format(PyExc_TypeError, "expected dict[str, str | bool], got %T", value);
        return -1;
    }
    PyObject *key, *item;
    Py_ssize_t pos = 0;
    while (PyDict_Next(value, &pos, &key, &item)) {
        if (!PyUnicode_Check(key)) {
            PyErr_Format(PyExc_TypeError, "expected str, got dict key type %T", key);
            return -1;
        }
        if (!PyUnicode_Check(item) && !PyBool_Check(item)) {
            /* the reference, too, names the type of the key here */
            PyErr_Format(PyExc_TypeError, "expected str or bool, got dict value type %T", key);
            return -1;
        }
    }
    return 0;
}

int
PyConfig_Set(const char *name, PyObject *value)
{
    if (PySys_Audit("cpython.PyConfig_Set", "sO", name, value) < 0) {
        return -1;
    }
    const NjConfigSpec *s = find_spec(name);
    if ((!s || s->visibility == CFG_INNER) && !find_pre(name)) {
        PyErr_Format(PyExc_ValueError, "unknown config option name: %s", name);
        return -1;
    }
    if (!s || s->visibility != CFG_PUBLIC) {
        PyErr_Format(PyExc_ValueError, "cannot set read-only option %s", name);
        return -1;
    }
    PyConfig *c = &nj_interp()->rt.config;
    switch (s->kind) {
    case CFG_INT:
    case CFG_UINT:
    case CFG_BOOL: {
        if (!PyLong_Check(value)) {
            PyErr_Format(PyExc_TypeError, "expected int or bool, got %T", value);
            return -1;
        }
        int n = PyLong_AsInt(value);
        if (n == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (s->kind != CFG_INT && n < 0) {
            PyErr_Format(PyExc_ValueError, "value must be >= 0");
            return -1;
        }
        if (strcmp(name, "int_max_str_digits") == 0) {
            if (n != 0 && n < 640) {
                PyErr_Format(PyExc_ValueError, "maxdigits must be >= %d or 0 for unlimited",
                             640);
                return -1;
            }
            nj_interp()->numbers.max_str_digits = n;
        }
        *(int *)((char *)c + s->offset) = s->kind == CFG_BOOL ? n != 0 : n;
        break;
    }
    case CFG_WSTR:
    case CFG_WSTR_OPT:
        if (!(value == Py_None && s->kind == CFG_WSTR_OPT) && !PyUnicode_Check(value)) {
            PyErr_Format(PyExc_TypeError,
                         s->kind == CFG_WSTR ? "expected str, got %T"
                                             : "expected str or None, got %T",
                         value);
            return -1;
        }
        break;
    case CFG_LIST:
        if ((strcmp(name, "xoptions") == 0 ? check_xoptions(value) : check_strings(value)) < 0) {
            return -1;
        }
        break;
    default:
        break;
    }
    if (s->sysattr) {
        NJ_OWN copy = PyList_Check(value)   ? PyList_GetSlice(value, 0, PyList_GET_SIZE(value))
                      : PyDict_Check(value) ? PyDict_Copy(value)
                                            : Py_NewRef(value);
        if (!copy || PySys_SetObject(s->sysattr, copy) < 0) {
            return -1;
        }
    }
    static const struct {
        const char *name;
        int *flag;
        bool negate;
    } globals[] = {{"bytes_warning", &Py_BytesWarningFlag, false},
                   {"inspect", &Py_InspectFlag, false},
                   {"interactive", &Py_InteractiveFlag, false},
                   {"optimization_level", &Py_OptimizeFlag, false},
                   {"parser_debug", &Py_DebugFlag, false},
                   {"quiet", &Py_QuietFlag, false},
                   {"use_environment", &Py_IgnoreEnvironmentFlag, true},
                   {"verbose", &Py_VerboseFlag, false},
                   {"write_bytecode", &Py_DontWriteBytecodeFlag, true}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(globals); i++) {
        if (strcmp(globals[i].name, name) == 0) {
            int v = PyLong_AsInt(value); /* the number given, also for what is a bool */
            *globals[i].flag = globals[i].negate ? !v : v;
        }
    }
    if (s->flag >= 0) {
        return nj_sys_flags_update(nj_tstate());
    }
    return 0;
}

/* --- PyInitConfig ------------------------------------------------------------------------------ */

struct PyInitConfig {
    PyPreConfig preconfig;
    PyConfig config;
    struct _inittab *inittab;
    size_t n_inittab;
    PyStatus status;
    char err[256];
};

PyInitConfig *
PyInitConfig_Create(void)
{
    PyInitConfig *c = calloc(1, sizeof *c);
    if (c) {
        PyPreConfig_InitIsolatedConfig(&c->preconfig);
        PyConfig_InitIsolatedConfig(&c->config);
    }
    return c;
}

void
PyInitConfig_Free(PyInitConfig *c)
{
    if (c) {
        PyConfig_Clear(&c->config);
        free(c->inittab);
        free(c);
    }
}

static int
fail(PyInitConfig *c, const char *msg)
{
    c->status = PyStatus_Error(msg);
    return -1;
}

int
PyInitConfig_GetError(PyInitConfig *c, const char **msg)
{
    if (PyStatus_IsExit(c->status)) {
        snprintf(c->err, sizeof c->err, "exit code %i", c->status.exitcode);
        *msg = c->err;
        return 1;
    }
    if (PyStatus_IsError(c->status)) {
        snprintf(c->err, sizeof c->err, "%s%s%s", c->status.func ? c->status.func : "",
                 c->status.func ? ": " : "", c->status.err_msg);
        *msg = c->err;
        return 1;
    }
    *msg = NULL;
    return 0;
}

int
PyInitConfig_GetExitCode(PyInitConfig *c, int *code)
{
    if (!PyStatus_IsExit(c->status)) {
        return 0;
    }
    *code = c->status.exitcode;
    return 1;
}

static int *
pre_field(PyInitConfig *c, const char *name)
{
    PyPreConfig *p = &c->preconfig;
    return strcmp(name, "allocator") == 0              ? &p->allocator
           : strcmp(name, "coerce_c_locale") == 0      ? &p->coerce_c_locale
           : strcmp(name, "coerce_c_locale_warn") == 0 ? &p->coerce_c_locale_warn
           : strcmp(name, "configure_locale") == 0     ? &p->configure_locale
           : strcmp(name, "utf8_mode") == 0            ? &p->utf8_mode
                                                       : NULL;
}

int
PyInitConfig_HasOption(PyInitConfig *c, const char *name)
{
    return find_spec(name) != NULL || pre_field(c, name) != NULL;
}

int
PyInitConfig_GetInt(PyInitConfig *c, const char *name, int64_t *value)
{
    const NjConfigSpec *s = find_spec(name);
    int *p = pre_field(c, name);
    if (p && !s) {
        *value = *p;
        return 0;
    }
    if (!s) {
        return fail(c, "unknown config option name");
    }
    void *f = (char *)&c->config + s->offset;
    if (s->kind == CFG_ULONG) {
        *value = (int64_t)*(unsigned long *)f;
    }
    else if (s->kind <= CFG_BOOL) {
        *value = *(int *)f;
    }
    else {
        return fail(c, "config option type is not int");
    }
    return 0;
}

static char *
wide_to_utf8(const wchar_t *w)
{
    size_t n = wcslen(w), k = 0;
    char *s = malloc(n * 4 + 1);
    for (size_t i = 0; s && i < n; i++) {
        unsigned c = (unsigned)w[i];
        if (c < 0x80) {
            s[k++] = (char)c;
        }
        else if (c < 0x800) {
            s[k++] = (char)(0xc0 | c >> 6);
            s[k++] = (char)(0x80 | (c & 63));
        }
        else if (c < 0x10000) {
            s[k++] = (char)(0xe0 | c >> 12);
            s[k++] = (char)(0x80 | (c >> 6 & 63));
            s[k++] = (char)(0x80 | (c & 63));
        }
        else {
            s[k++] = (char)(0xf0 | c >> 18);
            s[k++] = (char)(0x80 | (c >> 12 & 63));
            s[k++] = (char)(0x80 | (c >> 6 & 63));
            s[k++] = (char)(0x80 | (c & 63));
        }
    }
    if (s) {
        s[k] = 0;
    }
    return s;
}

int
PyInitConfig_GetStr(PyInitConfig *c, const char *name, char **value)
{
    const NjConfigSpec *s = find_spec(name);
    if (!s && !pre_field(c, name)) {
        return fail(c, "unknown config option name");
    }
    if (!s || (s->kind != CFG_WSTR && s->kind != CFG_WSTR_OPT)) {
        return fail(c, "config option type is not string");
    }
    const wchar_t *w = *(wchar_t **)((char *)&c->config + s->offset);
    *value = w ? wide_to_utf8(w) : NULL;
    return w && !*value ? fail(c, "memory allocation failed") : 0;
}

int
PyInitConfig_GetStrList(PyInitConfig *c, const char *name, size_t *n, char ***items)
{
    const NjConfigSpec *s = find_spec(name);
    if (!s && !pre_field(c, name)) {
        return fail(c, "unknown config option name");
    }
    if (!s || s->kind != CFG_LIST) {
        return fail(c, "config option type is not strings list");
    }
    PyWideStringList *l = (PyWideStringList *)((char *)&c->config + s->offset);
    *n = (size_t)l->length;
    *items = calloc((size_t)l->length + 1, sizeof **items);
    for (Py_ssize_t i = 0; *items && i < l->length; i++) {
        (*items)[i] = wide_to_utf8(l->items[i]);
    }
    return *items ? 0 : fail(c, "memory allocation failed");
}

void
PyInitConfig_FreeStrList(size_t n, char **items)
{
    for (size_t i = 0; i < n; i++) {
        free(items[i]);
    }
    free(items);
}

int
PyInitConfig_SetInt(PyInitConfig *c, const char *name, int64_t value)
{
    const NjConfigSpec *s = find_spec(name);
    int *p = pre_field(c, name);
    if (!s && !p) {
        return fail(c, "unknown config option name");
    }
    if (s && s->kind == CFG_ULONG) {
        if (value < 0) {
            return fail(c, "config option value is out of unsigned long range");
        }
    }
    else if (s ? s->kind == CFG_INT : strcmp(name, "allocator") == 0) {
        if (value < INT_MIN || value > INT_MAX) {
            return fail(c, "config option value is out of int range");
        }
    }
    else if ((!s || s->kind <= CFG_BOOL) && (value < 0 || value > UINT_MAX)) {
        return fail(c, "config option value is out of unsigned int range");
    }
    if (p) {
        *p = (int)value;
        if (!s) {
            return 0;
        }
    }
    void *f = (char *)&c->config + s->offset;
    if (s->kind == CFG_ULONG) {
        *(unsigned long *)f = (unsigned long)value;
    }
    else if (s->kind <= CFG_BOOL) {
        *(int *)f = (int)value;
        if (strcmp(name, "use_environment") == 0) {
            c->preconfig.use_environment = (int)value;
        }
        else if (strcmp(name, "isolated") == 0) {
            c->preconfig.isolated = (int)value;
        }
        else if (strcmp(name, "dev_mode") == 0) {
            c->preconfig.dev_mode = (int)value;
        }
        else if (strcmp(name, "parse_argv") == 0) {
            c->preconfig.parse_argv = (int)value;
        }
    }
    else {
        return fail(c, "config option type is not int");
    }
    return 0;
}

/* UTF-8 without surrogates and overlong forms, as PyMem_RawFree memory; NULL: it is none,
 * or there is no memory, and the status says so. No interpreter is there yet to ask. */
static wchar_t *
utf8_to_wide(PyInitConfig *c, const char *s)
{
    wchar_t *w = PyMem_RawMalloc((strlen(s) + 1) * sizeof(*w)), *out = w;
    if (!w) {
        c->status = PyStatus_NoMemory();
        return NULL;
    }
    static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
    for (const unsigned char *p = (const unsigned char *)s; *p;) {
        int more = *p < 0x80 ? 0 : (*p & 0xe0) == 0xc0 ? 1 : (*p & 0xf0) == 0xe0 ? 2 : (*p & 0xf8) == 0xf0 ? 3 : -1;
        unsigned ch = more > 0 ? *p & (0x3fu >> more) : *p;
        p++;
        int k = 0;
        for (; k < more && (*p & 0xc0) == 0x80; k++, p++) {
            ch = ch << 6 | (*p & 0x3f);
        }
        if (k != more || ch < least[more] || ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff)) {
            PyMem_RawFree(w);
            c->status = PyStatus_Error("decoding error");
            return NULL;
        }
        *out++ = (wchar_t)ch;
    }
    *out = 0;
    return w;
}

int
PyInitConfig_SetStr(PyInitConfig *c, const char *name, const char *value)
{
    const NjConfigSpec *s = find_spec(name);
    if (!s && !pre_field(c, name)) {
        return fail(c, "unknown config option name");
    }
    if (!s || (s->kind != CFG_WSTR && s->kind != CFG_WSTR_OPT)) {
        return fail(c, "config option type is not string");
    }
    wchar_t *w = utf8_to_wide(c, value);
    if (!w) {
        return -1;
    }
    wchar_t **field = (wchar_t **)((char *)&c->config + s->offset);
    PyMem_RawFree(*field);
    *field = w;
    return 0;
}

int
PyInitConfig_SetStrList(PyInitConfig *c, const char *name, size_t n, char *const *items)
{
    const NjConfigSpec *s = find_spec(name);
    if (!s && !pre_field(c, name)) {
        return fail(c, "unknown config option name");
    }
    if (!s || s->kind != CFG_LIST) {
        return fail(c, "config option type is not strings list");
    }
    PyWideStringList *l = (PyWideStringList *)((char *)&c->config + s->offset);
    PyWideStringList none = {0, NULL};
    c->status = PyConfig_SetWideStringList(&c->config, l, none.length, none.items);
    for (size_t i = 0; i < n && !PyStatus_Exception(c->status); i++) {
        wchar_t *w = utf8_to_wide(c, items[i]);
        if (!w) {
            return -1;
        }
        c->status = PyWideStringList_Append(l, w);
        PyMem_RawFree(w);
    }
    if (strcmp(name, "module_search_paths") == 0) {
        c->config.module_search_paths_set = 1;
    }
    return PyStatus_Exception(c->status) ? -1 : 0;
}

int
PyInitConfig_AddModule(PyInitConfig *c, const char *name, PyObject *(*init)(void))
{
    struct _inittab *t = realloc(c->inittab, (c->n_inittab + 2) * sizeof *t);
    if (!t) {
        return fail(c, "memory allocation failed");
    }
    t[c->n_inittab].name = name;
    t[c->n_inittab++].initfunc = init;
    t[c->n_inittab] = (struct _inittab){NULL, NULL};
    c->inittab = t;
    return 0;
}

int
Py_InitializeFromInitConfig(PyInitConfig *c)
{
    if (c->n_inittab && PyImport_ExtendInittab(c->inittab) < 0) {
        return fail(c, "memory allocation failed");
    }
    c->status = Py_PreInitialize(&c->preconfig);
    if (!PyStatus_Exception(c->status)) {
        c->status = Py_InitializeFromConfig(&c->config);
    }
    return PyStatus_Exception(c->status) ? -1 : 0;
}

/* --- what the program is --------------------------------------------------------------------- */

const char *
Py_GetCompiler(void)
{
    return "[Naja 0.1, GCC " __VERSION__ "]";
}

const char *
Py_GetBuildInfo(void)
{
    return "main, " __DATE__ ", " __TIME__;
}

const char *
Py_GetVersion(void)
{
    return PY_VERSION " (main, " __DATE__ ", " __TIME__ ") [Naja 0.1, GCC " __VERSION__ "]";
}

const char *
Py_GetCopyright(void)
{
    return "Copyright (c) 2001 Python Software Foundation.\nAll Rights Reserved.\n\n"
           "Copyright (c) 2000 BeOpen.com.\nAll Rights Reserved.\n\n"
           "Copyright (c) 1995-2001 Corporation for National Research Initiatives.\n"
           "All Rights Reserved.\n\n"
           "Copyright (c) 1991-1995 Stichting Mathematisch Centrum, Amsterdam.\n"
           "All Rights Reserved.";
}

const char *
Py_GetPlatform(void)
{
    return "linux";
}

static wchar_t *
config_text(wchar_t *s)
{
    return s ? s : L"";
}

static PyConfig *
main_config(void)
{
    return nj_runtime.main ? &nj_runtime.main->rt.config : NULL;
}

#define MAIN_CONFIG main_config()

wchar_t *
Py_GetPrefix(void)
{
    return MAIN_CONFIG ? config_text(MAIN_CONFIG->prefix) : NULL;
}

wchar_t *
Py_GetExecPrefix(void)
{
    return MAIN_CONFIG ? config_text(MAIN_CONFIG->exec_prefix) : NULL;
}

wchar_t *
Py_GetProgramFullPath(void)
{
    return MAIN_CONFIG ? config_text(MAIN_CONFIG->executable) : NULL;
}

wchar_t *
Py_GetProgramName(void)
{
    return MAIN_CONFIG ? config_text(MAIN_CONFIG->program_name) : NULL;
}

wchar_t *
Py_GetPythonHome(void)
{
    return MAIN_CONFIG ? MAIN_CONFIG->home : NULL;
}

wchar_t *
Py_GetPath(void)
{
    PyConfig *c = MAIN_CONFIG;
    if (!c) {
        return NULL;
    }
    size_t n = 1;
    for (Py_ssize_t i = 0; i < c->module_search_paths.length; i++) {
        n += wcslen(c->module_search_paths.items[i]) + 1;
    }
    wchar_t *w = PyMem_RawCalloc(n, sizeof *w); /* lives as long as the process */
    for (Py_ssize_t i = 0; w && i < c->module_search_paths.length; i++) {
        if (i) {
            wcscat(w, L":");
        }
        wcscat(w, c->module_search_paths.items[i]);
    }
    return w;
}

/* Before Py_Initialize, the old way; the strings must outlive it. */
static const wchar_t *legacy_program_name, *legacy_home;

void
Py_SetProgramName(const wchar_t *name)
{
    legacy_program_name = name;
}

void
nj_config_apply_legacy(PyConfig *c)
{
    if (legacy_program_name && !c->program_name) {
        PyConfig_SetString(c, &c->program_name, legacy_program_name);
    }
    if (legacy_home && !c->home) {
        PyConfig_SetString(c, &c->home, legacy_home);
    }
}

void
Py_SetPythonHome(const wchar_t *home)
{
    legacy_home = home;
}

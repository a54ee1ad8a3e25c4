/* _locale.c - the _locale module: the C library's locale and message catalogues.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include <errno.h>
#include <langinfo.h>
#include <libintl.h>
#include <limits.h>
#include <locale.h>
#include <wchar.h>

typedef struct LocaleState {
    PyObject *error;
} LocaleState;

static LocaleState *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/* Bytes in the encoding of the current locale (or of the locale named by category). */
static PyObject *
decode(const char *s)
{
    return PyUnicode_DecodeLocale(s, "surrogateescape");
}

static PyObject *
locale_setlocale(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    int category;
    const char *locale = NULL;
    if (!_PyArg_ParseStack(args, nargs, "i|z:setlocale", &category, &locale)) {
        return NULL;
    }
    const char *r = setlocale(category, locale);
    if (!r) {
        PyErr_SetString(state_of(module)->error,
                        locale ? "unsupported locale setting" : "locale query failed");
        return NULL;
    }
    return decode(r);
}

/* A grouping string as a list that ends with 0 (repeat) or CHAR_MAX (stop). */
static PyObject *
grouping(const char *s)
{
    NJ_OWN list = PyList_New(0);
    for (; list && *s; s++) {
        NJ_OWN v = PyLong_FromLong(*s);
        if (!v || PyList_Append(list, v) < 0) {
            return NULL;
        }
        if (*s == CHAR_MAX) {
            return NJ_TAKE(list);
        }
    }
    if (list && PyList_GET_SIZE(list)) {
        NJ_OWN zero = PyLong_FromLong(0);
        if (!zero || PyList_Append(list, zero) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

/* localeconv() text belongs to the encoding of LC_NUMERIC or LC_MONETARY, which need not
 * be that of LC_CTYPE: decode under the right one. */
static PyObject *
decode_for(int category, const char *s)
{
    bool ascii = true;
    for (const char *p = s; *p; p++) {
        ascii &= (unsigned char)*p < 128;
    }
    if (ascii) {
        return PyUnicode_FromString(s);
    }
    const char *name = setlocale(category, NULL);
    locale_t other = newlocale(LC_CTYPE_MASK, name ? name : "C", (locale_t)0);
    if (!other) {
        return decode(s);
    }
    locale_t saved = uselocale(other);
    PyObject *r = PyUnicode_DecodeLocale(s, NULL);
    uselocale(saved);
    freelocale(other);
    return r;
}

static PyObject *
locale_localeconv(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    NJ_OWN d = PyDict_New();
    if (!d) {
        return NULL;
    }
    struct lconv *c = localeconv();
#define PUT(key, value)                                                                \
    do {                                                                               \
        NJ_OWN v_ = (value);                                                           \
        if (!v_ || PyDict_SetItemString(d, key, v_) < 0) {                             \
            return NULL;                                                               \
        }                                                                              \
    } while (0)
#define TEXT(category, f) PUT(#f, decode_for(category, c->f))
#define NUMBER(f) PUT(#f, PyLong_FromLong(c->f))
    TEXT(LC_MONETARY, int_curr_symbol);
    TEXT(LC_MONETARY, currency_symbol);
    TEXT(LC_MONETARY, mon_decimal_point);
    TEXT(LC_MONETARY, mon_thousands_sep);
    PUT("mon_grouping", grouping(c->mon_grouping));
    TEXT(LC_MONETARY, positive_sign);
    TEXT(LC_MONETARY, negative_sign);
    NUMBER(int_frac_digits);
    NUMBER(frac_digits);
    NUMBER(p_cs_precedes);
    NUMBER(p_sep_by_space);
    NUMBER(n_cs_precedes);
    NUMBER(n_sep_by_space);
    NUMBER(p_sign_posn);
    NUMBER(n_sign_posn);
    TEXT(LC_NUMERIC, decimal_point);
    TEXT(LC_NUMERIC, thousands_sep);
    PUT("grouping", grouping(c->grouping));
#undef NUMBER
#undef TEXT
#undef PUT
    return NJ_TAKE(d);
}

static void
free_wide(wchar_t **p)
{
    PyMem_Free(*p);
}

#define NJ_WIDE __attribute__((cleanup(free_wide))) wchar_t *

static PyObject *
locale_strcoll(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *a, *b;
    if (!_PyArg_ParseStack(args, nargs, "UU:strcoll", &a, &b)) {
        return NULL;
    }
    NJ_WIDE wa = PyUnicode_AsWideCharString(a, NULL);
    NJ_WIDE wb = wa ? PyUnicode_AsWideCharString(b, NULL) : NULL;
    return wb ? PyLong_FromLong(wcscoll(wa, wb)) : NULL;
}

static PyObject *
locale_strxfrm(PyObject *module, PyObject *arg)
{
    if (!PyUnicode_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "strxfrm() argument must be str, not %.50s",
                     arg == Py_None ? "None" : Py_TYPE(arg)->tp_name);
        return NULL;
    }
    NJ_WIDE s = PyUnicode_AsWideCharString(arg, NULL);
    if (!s) {
        return NULL;
    }
    errno = 0;
    size_t n = wcsxfrm(NULL, s, 0);
    if (errno && errno != ERANGE) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    NJ_WIDE out = PyMem_New(wchar_t, n + 1);
    if (!out) {
        return PyErr_NoMemory();
    }
    errno = 0;
    n = wcsxfrm(out, s, n + 1);
    if (errno) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    /* the keys of glibc are no code points: fold what str cannot hold */
    for (size_t i = 0; i < n; i++) {
        if ((uint32_t)out[i] > 0x10ffff) {
            out[i] = (wchar_t)(0x10ffff);
        }
    }
    return PyUnicode_FromWideChar(out, (Py_ssize_t)n);
}

static const struct {
    const char *name;
    int value;
} langinfo_names[] = {
#define N(n) {#n, n},
#include "modules/locale_names.inc"
#undef N
};

static PyObject *
locale_nl_langinfo(PyObject *module, PyObject *arg)
{
    int key = PyLong_AsInt(arg);
    if (key == -1 && PyErr_Occurred()) {
        return NULL;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(langinfo_names); i++) {
        if (langinfo_names[i].value == key && strncmp(langinfo_names[i].name, "LC_", 3)
            && strcmp(langinfo_names[i].name, "CHAR_MAX")) {
            const char *s = nl_langinfo(key);
            return decode(s ? s : "");
        }
    }
    PyErr_SetString(PyExc_ValueError, "unsupported langinfo constant");
    return NULL;
}

static PyObject *
locale_getencoding(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    const char *s = nl_langinfo(CODESET);
    return PyUnicode_FromString(s && *s ? s : "utf-8");
}

static PyObject *
locale_gettext(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const char *msg;
    return _PyArg_ParseStack(args, nargs, "s:gettext", &msg) ? decode(gettext(msg)) : NULL;
}

static PyObject *
locale_dgettext(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const char *domain, *msg;
    return _PyArg_ParseStack(args, nargs, "zs:dgettext", &domain, &msg)
               ? decode(dgettext(domain, msg))
               : NULL;
}

static PyObject *
locale_dcgettext(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const char *domain, *msg;
    int category;
    return _PyArg_ParseStack(args, nargs, "zsi:dcgettext", &domain, &msg, &category)
               ? decode(dcgettext(domain, msg, category))
               : NULL;
}

static PyObject *
locale_textdomain(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const char *domain;
    if (!_PyArg_ParseStack(args, nargs, "z:textdomain", &domain)) {
        return NULL;
    }
    const char *r = textdomain(domain);
    return r ? decode(r) : PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *
locale_bindtextdomain(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const char *domain;
    PyObject *dir;
    if (!_PyArg_ParseStack(args, nargs, "sO:bindtextdomain", &domain, &dir)) {
        return NULL;
    }
    if (!*domain) {
        PyErr_SetString(state_of(module)->error, "domain must be a non-empty string");
        return NULL;
    }
    NJ_OWN path = NULL;
    if (dir != Py_None && !PyUnicode_FSConverter(dir, &path)) {
        return NULL;
    }
    const char *r = bindtextdomain(domain, path ? PyBytes_AS_STRING(path) : NULL);
    return r ? decode(r) : PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *
locale_bind_textdomain_codeset(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const char *domain, *codeset;
    if (!_PyArg_ParseStack(args, nargs, "sz:bind_textdomain_codeset", &domain, &codeset)) {
        return NULL;
    }
    const char *r = bind_textdomain_codeset(domain, codeset);
    return r ? decode(r) : Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    {"setlocale", (PyCFunction)(void *)locale_setlocale, METH_FASTCALL,
     "setlocale($module, category, locale=None, /)\n--\n\nSet or query a locale."},
    {"localeconv", locale_localeconv, METH_NOARGS,
     "localeconv($module, /)\n--\n\nNumeric and monetary parameters of the locale."},
    {"strcoll", (PyCFunction)(void *)locale_strcoll, METH_FASTCALL,
     "strcoll($module, os1, os2, /)\n--\n\nCompare two strings by the locale."},
    {"strxfrm", locale_strxfrm, METH_O,
     "strxfrm($module, string, /)\n--\n\nA key for locale-aware comparison."},
    {"nl_langinfo", locale_nl_langinfo, METH_O,
     "nl_langinfo($module, key, /)\n--\n\nThe value of a locale information item."},
    {"getencoding", locale_getencoding, METH_NOARGS,
     "getencoding($module, /)\n--\n\nThe current locale encoding."},
    {"gettext", (PyCFunction)(void *)locale_gettext, METH_FASTCALL,
     "gettext($module, msg, /)\n--\n\nThe translation of msg."},
    {"dgettext", (PyCFunction)(void *)locale_dgettext, METH_FASTCALL,
     "dgettext($module, domain, msg, /)\n--\n\nThe translation of msg in domain."},
    {"dcgettext", (PyCFunction)(void *)locale_dcgettext, METH_FASTCALL,
     "dcgettext($module, domain, msg, category, /)\n--\n\n"
     "The translation of msg in domain and category."},
    {"textdomain", (PyCFunction)(void *)locale_textdomain, METH_FASTCALL,
     "textdomain($module, domain, /)\n--\n\nSet the current domain and return it."},
    {"bindtextdomain", (PyCFunction)(void *)locale_bindtextdomain, METH_FASTCALL,
     "bindtextdomain($module, domain, dir, /)\n--\n\nBind a domain to a directory."},
    {"bind_textdomain_codeset", (PyCFunction)(void *)locale_bind_textdomain_codeset,
     METH_FASTCALL,
     "bind_textdomain_codeset($module, domain, codeset, /)\n--\n\n"
     "Bind a domain to a code set."},
    {NULL, NULL, 0, NULL},
};

static int
module_exec(PyObject *module)
{
    LocaleState *st = state_of(module);
    st->error = PyErr_NewException("locale.Error", NULL, NULL);
    if (!st->error || PyModule_AddObjectRef(module, "Error", st->error) < 0) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(langinfo_names); i++) {
        if (PyModule_AddIntConstant(module, langinfo_names[i].name,
                                    langinfo_names[i].value) < 0) {
            return -1;
        }
    }
    /* kinds of values that are enumerators, hence invisible to #ifdef */
    static const struct {
        const char *name;
        int value;
    } enums[] = {
#define E(n) {#n, n},
        E(CODESET) E(RADIXCHAR) E(THOUSEP) E(CRNCYSTR) E(D_FMT) E(D_T_FMT) E(T_FMT)
        E(T_FMT_AMPM) E(AM_STR) E(PM_STR) E(YESEXPR) E(NOEXPR) E(ERA) E(ERA_D_FMT)
        E(ERA_D_T_FMT) E(ERA_T_FMT) E(ALT_DIGITS)
#undef E
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(enums); i++) {
        if (PyModule_AddIntConstant(module, enums[i].name, enums[i].value) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    Py_VISIT(state_of(module)->error);
    return 0;
}

static int
module_clear(PyObject *module)
{
    Py_CLEAR(state_of(module)->error);
    return 0;
}

static void
module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_locale",
    .m_doc = "Support for POSIX locales.",
    .m_size = sizeof(LocaleState),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__locale(void);

PyMODINIT_FUNC
PyInit__locale(void)
{
    return PyModuleDef_Init(&module_def);
}

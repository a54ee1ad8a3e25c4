/* format.c - Decimal.__format__.
 *
 * libmpdec parses the specification and lays out the text. It lacks NUL as the fill
 * character and knows the separators of the locale only as bytes. What else it does not
 * take ("_", "#", grouping of the fraction) the Python version of the module formats.
 * SPDX-License-Identifier: MIT
 */
#include "decimal_int.h"

#include <locale.h>

/* Stands for NUL as the fill character: no other part of the text contains it. */
enum { NUL_FILL = '\1' };

/* Objects that own what a specification points to. */
typedef struct Parts {
    PyObject *dot, *sep, *grouping;
} Parts;

static void
drop_parts(Parts *p)
{
    Py_XDECREF(p->dot);
    Py_XDECREF(p->sep);
    Py_XDECREF(p->grouping);
}

static NJ_COLD int
raise_invalid(const char *text)
{
    PyErr_SetString(PyExc_ValueError, text);
    return -1;
}

/* Text of the locale as UTF-8. */
static int
locale_text(const char **text, PyObject **owner)
{
    NJ_OWN s = PyUnicode_DecodeLocale(*text, NULL);
    *owner = s ? PyUnicode_AsUTF8String(s) : NULL;
    if (*owner == NULL) {
        return -1;
    }
    *text = PyBytes_AS_STRING(*owner);
    return 0;
}

/* An entry of the dict that overrides the locale. */
static int
override_text(PyObject *dict, const char *key, const char **text, PyObject **owner)
{
    NJ_OWN value = NULL;
    int r = PyDict_GetItemStringRef(dict, key, &value);
    if (r <= 0) {
        return r;
    }
    *owner = PyUnicode_AsUTF8String(value);
    if (*owner == NULL) {
        return -1;
    }
    *text = PyBytes_AS_STRING(*owner);
    return 0;
}

static int
apply_override(PyObject *dict, mpd_spec_t *spec, Parts *parts)
{
    if (!PyDict_Check(dict)) {
        PyErr_SetString(PyExc_TypeError, "optional argument must be a dict");
        return -1;
    }
    if (override_text(dict, "decimal_point", &spec->dot, &parts->dot) < 0 ||
        override_text(dict, "thousands_sep", &spec->sep, &parts->sep) < 0 ||
        override_text(dict, "grouping", &spec->grouping, &parts->grouping) < 0) {
        return -1;
    }
    return mpd_validate_lconv(spec) < 0 ? raise_invalid("invalid override dict") : 0;
}

/* Parses text, which is changed on the way: 1; 0 if libmpdec does not take it; -1. */
static int
parse_spec(char *text, Py_ssize_t size, int capitals, mpd_spec_t *spec, Parts *parts,
           bool *nul_fill)
{
    if (size > 1 && text[0] == '\0' && strchr("<>=^", text[1])) {
        *nul_fill = true;
        text[0] = NUL_FILL;
    }
    if (strlen(text) != (size_t)size || !mpd_parse_fmt_str(spec, text, capitals)) {
        return 0;
    }
    char type = size ? text[size - 1] : 0;
    if (type == 'N' &&
        PyErr_WarnEx(PyExc_DeprecationWarning,
                     "Format specifier 'N' is deprecated and slated for removal in "
                     "Python 3.18",
                     1) < 0) {
        return -1;
    }
    if (type == 'n' || type == 'N') {
        if (locale_text(&spec->dot, &parts->dot) < 0 ||
            locale_text(&spec->sep, &parts->sep) < 0) {
            return -1;
        }
        if (mpd_validate_lconv(spec) < 0) {
            return raise_invalid("invalid override dict");
        }
    }
    return 1;
}

/* The same number of the class in _pydecimal, formatted by that. */
static NJ_COLD PyObject *
format_in_python(PyObject *v, PyObject *fmt, PyObject *context)
{
    NJ_OWN class = PyImport_ImportModuleAttrString("_pydecimal", "Decimal");
    NJ_OWN text = class ? nj_dec_text(v, context, false) : NULL;
    NJ_OWN d = text ? PyObject_CallOneArg(class, text) : NULL;
    PyObject *r = d ? PyObject_CallMethod(d, "__format__", "OO", fmt, context) : NULL;
    if (r == NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        (void)raise_invalid("invalid format string");
    }
    return r;
}

static PyObject *
format_with(PyObject *v, const mpd_spec_t *spec, PyObject *context, bool nul_fill)
{
    uint32_t status = 0;
    char *text = mpd_qformat_spec(MPD(v), spec, CTX(context), &status);
    if (text == NULL) {
        if (status & MPD_Malloc_error) {
            return PyErr_NoMemory();
        }
        PyErr_SetString(PyExc_ValueError,
                        "format specification exceeds internal limits of _decimal");
        return NULL;
    }
    size_t size = strlen(text);
    if (nul_fill) {
        for (size_t i = 0; i < size; i++) {
            text[i] = text[i] == NUL_FILL ? '\0' : text[i];
        }
    }
    PyObject *r = PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, NULL);
    mpd_free(text);
    return r;
}

PyObject *
nj_dec_format(PyObject *v, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *context = nj_current_context(state_of(v));
    if (context == NULL) {
        return NULL;
    }
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError, "function takes at %s (%zd given)",
                     nargs ? "most 2 arguments" : "least 1 argument", nargs);
        return NULL;
    }
    PyObject *fmt = args[0], *override = nargs > 1 ? args[1] : NULL;
    if (!PyUnicode_Check(fmt)) {
        PyErr_SetString(PyExc_TypeError, "format arg must be str");
        return NULL;
    }
    Py_ssize_t size;
    const char *s = PyUnicode_AsUTF8AndSize(fmt, &size);
    if (s == NULL) {
        return NULL;
    }
    if (size == 0 && override == NULL) {
        return nj_dec_text(v, context, false);
    }
    char room[64];
    NJ_OWN_MEM(char) mem = NULL;
    char *text = room;
    if (size >= (Py_ssize_t)sizeof room) {
        text = mem = PyMem_Malloc((size_t)size + 1);
        if (text == NULL) {
            return PyErr_NoMemory();
        }
    }
    memcpy(text, s, (size_t)size + 1);
    NJ_OWN holder = Py_NewRef(context); /* a warning may run code */
    mpd_spec_t spec;
    Parts parts = {NULL, NULL, NULL}, overrides = {NULL, NULL, NULL};
    bool nul_fill = false;
    PyObject *r = NULL;
    int ok = parse_spec(text, size, CONTEXT(context)->capitals, &spec, &parts, &nul_fill);
    if (ok == 0) {
        r = format_in_python(v, fmt, context);
    }
    else if (ok > 0 &&
             (override == NULL || apply_override(override, &spec, &overrides) == 0)) {
        r = format_with(v, &spec, context, nul_fill);
    }
    drop_parts(&parts);
    drop_parts(&overrides);
    return r;
}

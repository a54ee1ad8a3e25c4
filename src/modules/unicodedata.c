/* unicodedata.c - the Unicode character database (16.0, and 3.2.0 for IDNA).
 *
 * Properties come from ucd_database.inc (two-level tables, see objects/ucd.c), names from
 * objects/ucd_names.c, numbers and decimals from objects/ucd.c. The 3.2.0 database is the
 * current one with a table of differences laid over it. The functions of the module and
 * the methods of UCD objects are the same: self is the module or a UCD object.
 *
 * Normalization: decompose recursively, sort runs of combining marks by class, then
 * compose pairs by binary search. A quick test on ASCII and on strings that are already
 * normal avoids the work.
 * SPDX-License-Identifier: MIT
 */
#include "objects/str_int.h"

#include "capi/args.h"
#include "objects/ucd.h"
#include "objects/ucd_names.h"

typedef struct {
    uint8_t category, bidi, combining, mirrored, width;
    uint16_t decomposition; /* 1 + index, 0 none */
} DbRecord;

typedef struct {
    uint8_t category, bidi, mirrored, width; /* 255: as today */
    uint8_t decimal_differs; /* none today: it was the digit; else: there was none */
    int16_t numeric; /* -1 as today, 0 none, else 1 + index */
} OldRecord;

typedef struct {
    uint32_t ch;
    uint8_t n;
    uint32_t to[4];
} OldDecomp;

#include "objects/ucd_database.inc"

extern const char nj_ucd_version[];
double nj_ucd_numeric_value(int i);

static const DbRecord *
record(Py_UCS4 ch)
{
    return &db_records[db_data[(db_index[ch >> 7] << 7) | (ch & 127)]];
}

static const OldRecord *
old_record(Py_UCS4 ch)
{
    return &old_records[old_data[(old_index[ch >> 7] << 7) | (ch & 127)]];
}

/* Hangul syllables are composed by calculation. */
#define S_BASE 0xac00
#define L_BASE 0x1100
#define V_BASE 0x1161
#define T_BASE 0x11a7
#define L_COUNT 19
#define V_COUNT 21
#define T_COUNT 28
#define N_COUNT (V_COUNT * T_COUNT)
#define S_COUNT (L_COUNT * N_COUNT)

/* ---- UCD objects ----------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *version;
    void *unused[2];
} UCD;

typedef struct {
    PyTypeObject *ucd_type;
} ModuleState;

/* Is self the database of version 3.2.0? (The module itself is the current one.) */
static bool
is_old(PyObject *self)
{
    return self != NULL && !PyModule_Check(self);
}

static int
get_char(PyObject *o, const char *fname, const char *what, Py_UCS4 *ch)
{
    if (!PyUnicode_Check(o)) {
        _PyArg_BadArgument(fname, what, "a unicode character", o);
        return -1;
    }
    if (PyUnicode_GET_LENGTH(o) != 1) {
        PyErr_Format(PyExc_TypeError,
                     "%s(): %s must be a unicode character, not a string of length %zd", fname,
                     what, PyUnicode_GET_LENGTH(o));
        return -1;
    }
    *ch = PyUnicode_READ_CHAR(o, 0);
    return 0;
}

static const char *
category_of(PyObject *self, Py_UCS4 ch)
{
    int c = record(ch)->category;
    if (is_old(self) && old_record(ch)->category != 255) {
        c = old_record(ch)->category;
    }
    return category_names[c];
}

static bool
was_unassigned(PyObject *self, Py_UCS4 ch)
{
    return is_old(self) && old_record(ch)->category == 0;
}

/* ---- properties -------------------------------------------------------------------------------- */

static PyObject *
or_default(PyObject *const *args, Py_ssize_t nargs, const char *message)
{
    if (nargs > 1) {
        return Py_NewRef(args[1]);
    }
    PyErr_SetString(PyExc_ValueError, message);
    return NULL;
}

static int
char_and_default(const char *fname, PyObject *const *args, Py_ssize_t nargs, Py_UCS4 *ch)
{
    if (!_PyArg_CheckPositional(fname, nargs, 1, 2)) {
        return -1;
    }
    return get_char(args[0], fname, "argument 1", ch);
}

static PyObject *
ucd_decimal(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_UCS4 ch;
    if (char_and_default("decimal", args, nargs, &ch) < 0) {
        return NULL;
    }
    int v = _PyUnicode_ToDecimalDigit(ch);
    if (was_unassigned(self, ch)) {
        v = -1;
    } else if (is_old(self) && old_record(ch)->decimal_differs) {
        v = v < 0 ? _PyUnicode_ToDigit(ch) : -1;
    }
    return v < 0 ? or_default(args, nargs, "not a decimal") : PyLong_FromLong(v);
}

static PyObject *
ucd_digit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_UCS4 ch;
    if (char_and_default("digit", args, nargs, &ch) < 0) {
        return NULL;
    }
    int v = _PyUnicode_ToDigit(ch);
    return v < 0 ? or_default(args, nargs, "not a digit") : PyLong_FromLong(v);
}

static PyObject *
ucd_numeric(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_UCS4 ch;
    if (char_and_default("numeric", args, nargs, &ch) < 0) {
        return NULL;
    }
    bool has = _PyUnicode_IsNumeric(ch);
    double v = has ? _PyUnicode_ToNumeric(ch) : 0;
    if (is_old(self)) {
        const OldRecord *o = old_record(ch);
        if (o->category == 0) {
            has = false;
        } else if (o->numeric >= 0) {
            has = o->numeric > 0;
            v = has ? nj_ucd_numeric_value(o->numeric - 1) : 0;
        }
    }
    return has ? PyFloat_FromDouble(v)
               : or_default(args, nargs, "not a numeric character");
}

static PyObject *
ucd_category(PyObject *self, PyObject *arg)
{
    Py_UCS4 ch;
    return get_char(arg, "category", "argument", &ch) < 0
               ? NULL
               : PyUnicode_FromString(category_of(self, ch));
}

static PyObject *
ucd_bidirectional(PyObject *self, PyObject *arg)
{
    Py_UCS4 ch;
    if (get_char(arg, "bidirectional", "argument", &ch) < 0) {
        return NULL;
    }
    int b = record(ch)->bidi;
    if (is_old(self)) {
        const OldRecord *o = old_record(ch);
        b = o->category == 0 ? 0 : o->bidi != 255 ? o->bidi : b;
    }
    return PyUnicode_FromString(bidi_names[b]);
}

static PyObject *
ucd_combining(PyObject *self, PyObject *arg)
{
    Py_UCS4 ch;
    if (get_char(arg, "combining", "argument", &ch) < 0) {
        return NULL;
    }
    return PyLong_FromLong(was_unassigned(self, ch) ? 0 : record(ch)->combining);
}

static PyObject *
ucd_mirrored(PyObject *self, PyObject *arg)
{
    Py_UCS4 ch;
    if (get_char(arg, "mirrored", "argument", &ch) < 0) {
        return NULL;
    }
    int m = record(ch)->mirrored;
    if (is_old(self)) {
        const OldRecord *o = old_record(ch);
        m = o->category == 0 ? 0 : o->mirrored != 255 ? o->mirrored : m;
    }
    return PyLong_FromLong(m);
}

static PyObject *
ucd_east_asian_width(PyObject *self, PyObject *arg)
{
    Py_UCS4 ch;
    if (get_char(arg, "east_asian_width", "argument", &ch) < 0) {
        return NULL;
    }
    if (was_unassigned(self, ch)) {
        return PyUnicode_FromString("N");
    }
    int w = record(ch)->width;
    if (is_old(self) && old_record(ch)->width != 255) {
        w = old_record(ch)->width;
    }
    return PyUnicode_FromString(width_names[w]);
}

static PyObject *
ucd_decomposition(PyObject *self, PyObject *arg)
{
    Py_UCS4 ch;
    if (get_char(arg, "decomposition", "argument", &ch) < 0) {
        return NULL;
    }
    if (ch >= S_BASE && ch < S_BASE + S_COUNT) {
        unsigned s = ch - S_BASE, t = s % T_COUNT;
        return t ? PyUnicode_FromFormat("%04X %04X %04X", L_BASE + s / N_COUNT,
                                        V_BASE + s % N_COUNT / T_COUNT, T_BASE + t)
                 : PyUnicode_FromFormat("%04X %04X", L_BASE + s / N_COUNT,
                                        V_BASE + s % N_COUNT / T_COUNT);
    }
    int index = record(ch)->decomposition;
    if (index == 0 || was_unassigned(self, ch)) {
        return nj_str_empty();
    }
    NjStrWriter w;
    nj_writer_init(&w);
    w.overallocate = 1;
    const uint32_t *d = &decomp_data[decomp_start[index]];
    const char *tag = decomp_tags[d[0] >> 8];
    int n = (int)(d[0] & 255), bad = *tag && nj_writer_ascii(&w, tag, -1) < 0;
    for (int i = 0; !bad && i < n; i++) {
        char buf[16];
        snprintf(buf, sizeof(buf), "%s%04X", i || *tag ? " " : "", (unsigned)d[i + 1]);
        bad = nj_writer_ascii(&w, buf, -1) < 0;
    }
    if (bad) {
        nj_writer_clear(&w);
        return NULL;
    }
    return nj_writer_finish(&w);
}

/* ---- names ------------------------------------------------------------------------------------------ */

static PyObject *
ucd_name(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_UCS4 ch;
    if (char_and_default("name", args, nargs, &ch) < 0) {
        return NULL;
    }
    char name[160];
    if (was_unassigned(self, ch) || !nj_ucd_name(ch, name, sizeof(name))) {
        return or_default(args, nargs, "no such name");
    }
    return PyUnicode_FromString(name);
}

static PyObject *
ucd_lookup(PyObject *self, PyObject *arg)
{
    NJ_OWN_BUF view = {0};
    const char *name;
    Py_ssize_t n;
    if (PyUnicode_Check(arg)) {
        name = PyUnicode_AsUTF8AndSize(arg, &n);
        if (name == NULL) {
            return NULL;
        }
    } else {
        if (!PyObject_CheckBuffer(arg)) {
            _PyArg_BadArgument("lookup", "argument", "str", arg);
            return NULL;
        }
        if (PyObject_GetBuffer(arg, &view, PyBUF_SIMPLE) < 0) {
            return NULL;
        }
        name = view.buf;
        n = view.len;
    }
    if (n > 256) {
        PyErr_SetString(PyExc_KeyError, "name too long");
        return NULL;
    }
    uint32_t codes[NJ_UCD_MAX_SEQUENCE];
    /* the old database knows no aliases and no sequences, but the names of today */
    int count = nj_ucd_lookup_all(name, (size_t)n, !is_old(self), codes);
    if (count == 0) {
        NJ_OWN shown = PyUnicode_DecodeUTF8(name, n, "replace");
        if (shown != NULL) {
            PyErr_Format(PyExc_KeyError, "undefined character name '%U'", shown);
        }
        return NULL;
    }
    return nj_str_from_ucs4(codes, count);
}

/* ---- normalization ------------------------------------------------------------------------------------- */

typedef struct {
    Py_UCS4 *p;
    Py_ssize_t n, cap;
} Chars;

static int
add_char(Chars *c, Py_UCS4 ch)
{
    if (c->n == c->cap) {
        Py_ssize_t cap = c->cap + c->cap / 2 + 32;
        Py_UCS4 *p = PyMem_Realloc(c->p, (size_t)cap * sizeof(Py_UCS4));
        if (p == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        c->p = p;
        c->cap = cap;
    }
    c->p[c->n++] = ch;
    return 0;
}

static int
decompose_char(PyObject *self, Chars *out, Py_UCS4 ch, bool compat)
{
    if (ch < 0xa0) {
        return add_char(out, ch);
    }
    if (ch >= S_BASE && ch < S_BASE + S_COUNT) {
        Py_UCS4 s = ch - S_BASE;
        if (add_char(out, L_BASE + s / N_COUNT) < 0 ||
            add_char(out, V_BASE + s % N_COUNT / T_COUNT) < 0) {
            return -1;
        }
        return s % T_COUNT ? add_char(out, T_BASE + s % T_COUNT) : 0;
    }
    if (is_old(self)) {
        if (old_record(ch)->category == 0) {
            return add_char(out, ch);
        }
        for (size_t i = 0; i < NJ_ARRAY_LEN(old_decomps); i++) {
            if (old_decomps[i].ch == ch) {
                for (int k = 0; k < old_decomps[i].n; k++) {
                    if (add_char(out, old_decomps[i].to[k]) < 0) {
                        return -1;
                    }
                }
                return 0;
            }
        }
    }
    int index = record(ch)->decomposition;
    const uint32_t *d = &decomp_data[decomp_start[index]];
    if (index == 0 || (!compat && (d[0] >> 8) != 0)) {
        return add_char(out, ch);
    }
    int n = (int)(d[0] & 255);
    for (int i = 0; i < n; i++) {
        if (decompose_char(self, out, d[i + 1], compat) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
combining_class(Py_UCS4 ch)
{
    return ch < 0x300 ? 0 : record(ch)->combining;
}

static Py_UCS4
compose_pair(Py_UCS4 a, Py_UCS4 b)
{
    if (a >= L_BASE && a < L_BASE + L_COUNT && b >= V_BASE && b < V_BASE + V_COUNT) {
        return S_BASE + ((a - L_BASE) * V_COUNT + (b - V_BASE)) * T_COUNT;
    }
    if (a >= S_BASE && a < S_BASE + S_COUNT && (a - S_BASE) % T_COUNT == 0 && b > T_BASE &&
        b < T_BASE + T_COUNT) {
        return a + (b - T_BASE);
    }
    size_t lo = 0, hi = NJ_ARRAY_LEN(compositions);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const uint32_t *c = compositions[mid];
        if (c[0] == a && c[1] == b) {
            return c[2];
        }
        if (c[0] < a || (c[0] == a && c[1] < b)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return 0;
}

static PyObject *
normalize(PyObject *self, PyObject *s, bool compat, bool compose)
{
    Chars c = {NULL, 0, 0};
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (decompose_char(self, &c, PyUnicode_READ(kind, p, i), compat) < 0) {
            PyMem_Free(c.p);
            return NULL;
        }
    }
    /* canonical order: marks between starters sorted by class, stable */
    for (Py_ssize_t i = 1; i < c.n; i++) {
        int cls = combining_class(c.p[i]);
        if (cls == 0) {
            continue;
        }
        Py_UCS4 ch = c.p[i];
        Py_ssize_t k = i;
        while (k > 0 && combining_class(c.p[k - 1]) > cls) {
            c.p[k] = c.p[k - 1];
            k--;
        }
        c.p[k] = ch;
    }
    if (compose && c.n > 0) {
        Py_ssize_t starter = -1, o = 0;
        int last = -1; /* class of the last mark kept behind the starter */
        for (Py_ssize_t i = 0; i < c.n; i++) {
            Py_UCS4 ch = c.p[i];
            int cls = combining_class(ch);
            if (starter >= 0 && (last < cls || last == -1) &&
                !(last != -1 && cls == 0)) {
                Py_UCS4 both = compose_pair(c.p[starter], ch);
                if (both) {
                    c.p[starter] = both;
                    continue;
                }
            }
            if (cls == 0) {
                starter = o;
                last = -1;
            } else {
                last = cls;
            }
            c.p[o++] = ch;
        }
        c.n = o;
    }
    PyObject *r = nj_str_from_ucs4(c.p, c.n);
    PyMem_Free(c.p);
    return r;
}

/* "NFC" and so on: 0 with the two switches set, or -1. */
static int
parse_form(PyObject *form, bool *compat, bool *compose)
{
    const char *f = PyUnicode_AsUTF8(form);
    if (f == NULL) {
        return -1;
    }
    *compat = strcmp(f, "NFKC") == 0 || strcmp(f, "NFKD") == 0;
    *compose = strcmp(f, "NFC") == 0 || strcmp(f, "NFKC") == 0;
    if (!*compat && !*compose && strcmp(f, "NFD") != 0) {
        PyErr_SetString(PyExc_ValueError, "invalid normalization form");
        return -1;
    }
    return 0;
}

static int
two_strings(const char *fname, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional(fname, nargs, 2, 2)) {
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        if (!PyUnicode_Check(args[i])) {
            _PyArg_BadArgument(fname, i ? "argument 2" : "argument 1", "str", args[i]);
            return -1;
        }
    }
    return 0;
}

static PyObject *
ucd_normalize(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    bool compat, compose;
    if (two_strings("normalize", args, nargs) < 0) {
        return NULL;
    }
    if (PyUnicode_GET_LENGTH(args[1]) == 0) {
        return nj_str_exact(args[1]);
    }
    if (parse_form(args[0], &compat, &compose) < 0) {
        return NULL;
    }
    if (PyUnicode_IS_ASCII(args[1])) {
        return nj_str_exact(args[1]);
    }
    PyObject *r = normalize(self, args[1], compat, compose);
    if (r != NULL && PyUnicode_CheckExact(args[1]) && nj_str_eq(r, args[1])) {
        Py_SETREF(r, Py_NewRef(args[1]));
    }
    return r;
}

static PyObject *
ucd_is_normalized(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    bool compat, compose;
    if (two_strings("is_normalized", args, nargs) < 0) {
        return NULL;
    }
    if (PyUnicode_GET_LENGTH(args[1]) == 0) {
        Py_RETURN_TRUE;
    }
    if (parse_form(args[0], &compat, &compose) < 0) {
        return NULL;
    }
    if (PyUnicode_IS_ASCII(args[1])) {
        Py_RETURN_TRUE;
    }
    NJ_OWN r = normalize(self, args[1], compat, compose);
    return r == NULL ? NULL : PyBool_FromLong(nj_str_eq(r, args[1]));
}

/* ---- the module ------------------------------------------------------------------------------------------ */

#define FAST(f) (PyCFunction)(void (*)(void))(f), METH_FASTCALL
#define SIG(text, about) text "\n--\n\n" about

static PyMethodDef ucd_methods[] = {
    {"decimal", FAST(ucd_decimal),
     SIG("decimal($self, chr, default=<unrepresentable>, /)", "Decimal value of chr.")},
    {"digit", FAST(ucd_digit),
     SIG("digit($self, chr, default=<unrepresentable>, /)", "Digit value of chr.")},
    {"numeric", FAST(ucd_numeric),
     SIG("numeric($self, chr, default=<unrepresentable>, /)", "Numeric value of chr.")},
    {"category", ucd_category, METH_O, SIG("category($self, chr, /)", "General category.")},
    {"bidirectional", ucd_bidirectional, METH_O,
     SIG("bidirectional($self, chr, /)", "Bidirectional class.")},
    {"combining", ucd_combining, METH_O,
     SIG("combining($self, chr, /)", "Canonical combining class.")},
    {"mirrored", ucd_mirrored, METH_O,
     SIG("mirrored($self, chr, /)", "1 if mirrored in bidirectional text.")},
    {"east_asian_width", ucd_east_asian_width, METH_O,
     SIG("east_asian_width($self, chr, /)", "East Asian width.")},
    {"decomposition", ucd_decomposition, METH_O,
     SIG("decomposition($self, chr, /)", "Decomposition mapping.")},
    {"name", FAST(ucd_name),
     SIG("name($self, chr, default=<unrepresentable>, /)", "Name of chr.")},
    {"lookup", ucd_lookup, METH_O, SIG("lookup($self, name, /)", "Character of that name.")},
    {"is_normalized", FAST(ucd_is_normalized),
     SIG("is_normalized($self, form, unistr, /)", "Is unistr in that normal form?")},
    {"normalize", FAST(ucd_normalize),
     SIG("normalize($self, form, unistr, /)", "unistr in that normal form.")},
    {NULL},
};

static PyMemberDef ucd_members[] = {
    {"unidata_version", Py_T_OBJECT_EX, offsetof(UCD, version), Py_READONLY, NULL},
    {NULL},
};

static void
ucd_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_CLEAR(((UCD *)op)->version);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static int
ucd_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static PyType_Slot ucd_slots[] = {
    {Py_tp_dealloc, ucd_dealloc},
    {Py_tp_traverse, ucd_traverse},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_methods, ucd_methods},
    {Py_tp_members, ucd_members},
    {0, NULL},
};

static PyType_Spec ucd_spec = {
    .name = "unicodedata.UCD",
    .basicsize = sizeof(UCD),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = ucd_slots,
};

static int
unicodedata_exec(PyObject *module)
{
    ModuleState *st = PyModule_GetState(module);
    if (PyModule_AddStringConstant(module, "unidata_version", nj_ucd_version) < 0) {
        return -1;
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &ucd_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    st->ucd_type = (PyTypeObject *)type;
    if (PyModule_AddType(module, st->ucd_type) < 0) {
        return -1;
    }
    UCD *old = PyObject_GC_New(UCD, st->ucd_type);
    if (old == NULL) {
        return -1;
    }
    if (PyModule_Add(module, "_ucnhash_CAPI",
                     PyCapsule_New((void *)&nj_ucd_capi, NJ_UCD_CAPSULE, NULL)) < 0) {
        Py_DECREF(old);
        return -1;
    }
    old->version = PyUnicode_FromString("3.2.0");
    PyObject_GC_Track(old);
    return old->version == NULL ? -1 : PyModule_Add(module, "ucd_3_2_0", (PyObject *)old);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    ModuleState *st = PyModule_GetState(module);
    Py_VISIT(st->ucd_type);
    return 0;
}

static int
module_clear(PyObject *module)
{
    ModuleState *st = PyModule_GetState(module);
    Py_CLEAR(st->ucd_type);
    return 0;
}

static void
module_free(void *module)
{
    module_clear((PyObject *)module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, unicodedata_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef unicodedata_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "unicodedata",
    .m_doc = "Access to the Unicode Character Database.",
    .m_size = sizeof(ModuleState),
    .m_methods = ucd_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit_unicodedata(void);
PyMODINIT_FUNC
PyInit_unicodedata(void)
{
    return PyModuleDef_Init(&unicodedata_module);
}

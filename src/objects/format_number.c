/* format_number.c - numbers as text: the format mini-language and PyOS_double_to_string.
 *
 * A spec is parsed once into NjSpec; then a number becomes pieces (sign, prefix, whole
 * digits, rest) which lay_out groups, pads and joins. The rest of a float (point,
 * fraction, exponent, per cent) is carried as text and only its fraction may be
 * grouped. Zero padding ("=" alignment with fill "0") happens inside the grouping,
 * because separators count towards the width.
 *
 * Doubles: printf is asked only for digits (nj_dtoa_significant), never for layout: its
 * decimal point follows the locale, ours never does.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "base/dtoa.h"
#include "objects/int.h"
#include "objects/number.h"

#include <locale.h>
#include <math.h>

/* ---- doubles: PyOS_double_to_string ------------------------------------------------- */

/* Digits of |x| for one format: *digits (PyMem), count, decimal point. x finite. */
typedef struct Digits {
    char *text;
    int n;
    int decpt;
    char stack[64];
} Digits;

static void
digits_free(Digits *d)
{
    if (d->text != d->stack) {
        PyMem_Free(d->text);
    }
}

static int
digits_room(Digits *d, size_t n)
{
    d->text = d->stack;
    if (n > sizeof d->stack) {
        d->text = PyMem_Malloc(n);
        if (d->text == NULL) {
            d->text = d->stack;
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

/* n significant digits (n >= 1) */
static int
digits_significant(Digits *d, double x, int n)
{
    if (digits_room(d, (size_t)n) < 0) {
        return -1;
    }
    d->n = n;
    if (x == 0.0) {
        memset(d->text, '0', (size_t)n);
        d->decpt = 1;
        return 0;
    }
    nj_dtoa_significant(x, n, d->text, &d->decpt);
    return 0;
}

/* p digits after the point */
static int
digits_fixed(Digits *d, double x, int p)
{
    uint64_t q;
    if (nj_dtoa_scaled(x, p, &q)) {
        d->text = d->stack;
        char tmp[24];
        int n = 0;
        do {
            tmp[n++] = (char)('0' + q % 10);
            q /= 10;
        } while (q);
        if (n == 1 && tmp[0] == '0') {
            n = 0;
        }
        for (int i = 0; i < n; i++) {
            d->stack[i] = tmp[n - 1 - i];
        }
        d->n = n;
        d->decpt = n - p;
        return 0;
    }
    if (x == 0.0) {
        d->text = d->stack;
        d->n = 0;
        d->decpt = 0;
        return 0;
    }
    /* How many significant digits are that? Rounding at digit 0 or before needs care. */
    char probe[800];
    int decpt;
    nj_dtoa_significant(x, 780, probe, &decpt); /* exact: a double has at most 767 */
    int64_t n = (int64_t)decpt + p;
    d->text = d->stack;
    d->n = 0;
    d->decpt = -p;
    if (n < 0) {
        return 0;
    }
    if (n == 0) {
        bool up = probe[0] > '5';
        for (int i = 1; probe[0] == '5' && !up && i < 780; i++) {
            up = probe[i] != '0';
        }
        if (up) {
            d->stack[0] = '1';
            d->n = 1;
            d->decpt = 1 - p;
        }
        return 0;
    }
    return digits_significant(d, x, (int)(n < 1100 ? n : 1100));
}

static int
digits_shortest(Digits *d, double x)
{
    d->text = d->stack;
    if (x == 0.0) {
        d->stack[0] = '0';
        d->n = 1;
        d->decpt = 1;
        return 0;
    }
    d->n = nj_dtoa_shortest(x, d->stack, &d->decpt);
    return 0;
}

char *
PyOS_double_to_string(double val, char code, int precision, int flags, int *type)
{
    bool upper = false;
    switch (code) {
    case 'E':
    case 'F':
    case 'G':
        upper = true;
        code = (char)(code | 0x20);
        break;
    case 'e':
    case 'f':
    case 'g':
        break;
    case 'r':
        if (precision != 0) {
            PyErr_BadInternalCall();
            return NULL;
        }
        break;
    default:
        PyErr_BadInternalCall();
        return NULL;
    }
    if (isnan(val) || isinf(val)) {
        bool negative = !isnan(val) && val < 0;
        bool plus = !negative && (flags & Py_DTSF_SIGN);
        char *r = PyMem_Malloc(8);
        if (r == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        char *p = r;
        if (negative || plus) {
            *p++ = negative ? '-' : '+';
        }
        strcpy(p, isnan(val) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf"));
        if (type) {
            *type = isnan(val) ? Py_DTST_NAN : Py_DTST_INFINITE;
        }
        return r;
    }
    if (type) {
        *type = Py_DTST_FINITE;
    }
    Digits d;
    int rc;
    if (code == 'g' && precision == 0) {
        precision = 1;
    }
    if (code == 'e') {
        rc = digits_significant(&d, val, precision + 1);
    }
    else if (code == 'f') {
        rc = digits_fixed(&d, val, precision);
    }
    else if (code == 'g') {
        rc = digits_significant(&d, val, precision);
    }
    else {
        rc = digits_shortest(&d, val);
    }
    if (rc < 0) {
        return NULL;
    }
    int ndig = d.n, decpt = d.decpt;
    bool alt = flags & Py_DTSF_ALT;
    bool use_exp = false;
    int frac; /* digits after the point to show at least */
    if (code == 'e') {
        use_exp = true;
        frac = precision;
    }
    else if (code == 'f') {
        frac = precision;
    }
    else {
        while (ndig > 1 && d.text[ndig - 1] == '0') {
            ndig--;
        }
        if (code == 'r') {
            use_exp = decpt <= -4 || decpt > 16;
        }
        else {
            use_exp = decpt <= -4 ||
                      decpt > precision - ((flags & Py_DTSF_ADD_DOT_0) ? 1 : 0);
        }
        int shown = code == 'g' && alt ? precision : ndig;
        frac = use_exp ? shown - 1 : shown - decpt;
        if (frac < 0) {
            frac = 0;
        }
    }
    if (!use_exp && frac == 0 && (flags & Py_DTSF_ADD_DOT_0)) {
        frac = 1;
    }
    bool negative = signbit(val);
    if (negative && (flags & Py_DTSF_NO_NEG_0)) {
        bool zero = true;
        for (int i = 0; i < ndig && zero; i++) {
            zero = d.text[i] == '0';
        }
        negative = !zero;
    }
    int exponent = 0;
    if (use_exp) {
        exponent = decpt - 1;
        decpt = 1;
    }
    size_t whole = decpt > 0 ? (size_t)decpt : 1;
    char *r = PyMem_Malloc(whole + (size_t)frac + 16);
    if (r == NULL) {
        digits_free(&d);
        PyErr_NoMemory();
        return NULL;
    }
    char *p = r;
    if (negative) {
        *p++ = '-';
    }
    else if (flags & Py_DTSF_SIGN) {
        *p++ = '+';
    }
    int i = 0;
    if (decpt <= 0) {
        *p++ = '0';
    }
    else {
        int take = ndig < decpt ? ndig : decpt;
        memcpy(p, d.text, (size_t)take);
        memset(p + take, '0', (size_t)(decpt - take));
        p += decpt;
        i = take;
    }
    if (frac > 0 || alt) {
        *p++ = '.';
    }
    if (frac > 0) {
        int zeros = decpt < 0 ? -decpt : 0;
        if (zeros > frac) {
            zeros = frac;
        }
        memset(p, '0', (size_t)zeros);
        p += zeros;
        int rest = frac - zeros;
        int take = ndig - i < rest ? ndig - i : rest;
        memcpy(p, d.text + i, (size_t)take);
        memset(p + take, '0', (size_t)(rest - take));
        p += rest;
    }
    if (use_exp) {
        *p++ = upper ? 'E' : 'e';
        *p++ = exponent < 0 ? '-' : '+';
        unsigned a = (unsigned)(exponent < 0 ? -exponent : exponent);
        if (a >= 100) {
            *p++ = (char)('0' + a / 100);
            a %= 100;
        }
        *p++ = (char)('0' + a / 10);
        *p++ = (char)('0' + a % 10);
    }
    *p = '\0';
    digits_free(&d);
    return r;
}

/* ---- reading: PyOS_string_to_double ------------------------------------------------- */

static bool
match_word(const char *s, const char *word)
{
    for (; *word; s++, word++) {
        if ((*s | 0x20) != *word) {
            return false;
        }
    }
    return true;
}

double
nj_number_read_double(const char *s, const char **end)
{
    const char *p = s;
    bool negative = *p == '-';
    if (*p == '-' || *p == '+') {
        p++;
    }
    if ((*p | 0x20) == 'i' && match_word(p, "inf")) {
        *end = p + (match_word(p + 3, "inity") ? 8 : 3);
        return negative ? -HUGE_VAL : HUGE_VAL;
    }
    if ((*p | 0x20) == 'n' && match_word(p, "nan")) {
        *end = p + 3;
        return copysign(Py_NAN, negative ? -1.0 : 1.0);
    }
    return nj_dtoa_read(s, end);
}

double
PyOS_string_to_double(const char *s, char **endptr, PyObject *overflow_exception)
{
    const char *end;
    double x = nj_number_read_double(s, &end);
    double result = -1.0;
    if (end == s || (endptr == NULL && *end != '\0')) {
        PyErr_Format(PyExc_ValueError, "could not convert string to float: '%.200s'", s);
    }
    else if (isinf(x) && overflow_exception != NULL && (end[-1] & 0x5f) != 'F' &&
             (end[-1] & 0x5f) != 'Y') {
        PyErr_Format(overflow_exception, "value too large to convert to float: '%.200s'", s);
    }
    else {
        result = x;
    }
    if (endptr != NULL) {
        *endptr = (char *)end;
    }
    return result;
}

/* ---- the mini-language -------------------------------------------------------------- */

typedef struct NjSpec {
    Py_UCS4 fill;
    Py_UCS4 align; /* '<' '>' '=' '^' */
    Py_UCS4 sign;  /* 0 '-' '+' ' ' */
    bool fill_given, align_given;
    bool alt, no_neg_0;
    Py_ssize_t width;     /* -1: none */
    Py_ssize_t precision; /* -1: none */
    Py_UCS4 group;        /* 0 ',' '_' */
    Py_UCS4 frac_group;   /* the same for the fraction */
    Py_UCS4 type;         /* 0: none */
} NjSpec;

/* Reads digits; -1 with ValueError on overflow, else how many characters. */
static Py_ssize_t
read_count(PyObject *s, Py_ssize_t *pos, Py_ssize_t end, Py_ssize_t *out)
{
    Py_ssize_t n = 0, used = 0;
    for (; *pos < end; (*pos)++, used++) {
        int d = Py_UNICODE_TODECIMAL(PyUnicode_READ_CHAR(s, *pos));
        if (d < 0) {
            break;
        }
        if (n > (PY_SSIZE_T_MAX - d) / 10) {
            PyErr_SetString(PyExc_ValueError, "Too many decimal digits in format string");
            return -1;
        }
        n = n * 10 + d;
    }
    if (used) {
        *out = n;
    }
    return used;
}

static void
bad_group_type(Py_UCS4 group, Py_UCS4 type)
{
    if (type > 32 && type < 128) {
        PyErr_Format(PyExc_ValueError, "Cannot specify '%c' with '%c'.", (int)group,
                     (int)type);
    }
    else {
        PyErr_Format(PyExc_ValueError, "Cannot specify '%c' with '\\x%x'.", (int)group,
                     (unsigned)type);
    }
}

static void
unknown_code(Py_UCS4 type, PyObject *v)
{
    if (type > 32 && type < 128) {
        PyErr_Format(PyExc_ValueError, "Unknown format code '%c' for object of type '%.200s'",
                     (int)type, Py_TYPE(v)->tp_name);
    }
    else {
        PyErr_Format(PyExc_ValueError,
                     "Unknown format code '\\x%x' for object of type '%.200s'",
                     (unsigned)type, Py_TYPE(v)->tp_name);
    }
}

static bool
is_align(Py_UCS4 c)
{
    return c == '<' || c == '>' || c == '=' || c == '^';
}

/* Reads one or two separators; a second, different one is an error. */
static int
read_group(PyObject *s, Py_ssize_t *pos, Py_ssize_t end, Py_UCS4 *group)
{
    if (*pos < end && PyUnicode_READ_CHAR(s, *pos) == ',') {
        *group = ',';
        (*pos)++;
    }
    if (*pos < end && PyUnicode_READ_CHAR(s, *pos) == '_') {
        if (*group) {
            goto both;
        }
        *group = '_';
        (*pos)++;
    }
    if (*pos < end && PyUnicode_READ_CHAR(s, *pos) == ',' && *group == '_') {
        goto both;
    }
    return 0;
both:
    PyErr_SetString(PyExc_ValueError, "Cannot specify both ',' and '_'.");
    return -1;
}

static int
parse_spec(PyObject *v, PyObject *s, NjSpec *f)
{
    Py_ssize_t pos = 0, end = PyUnicode_GET_LENGTH(s);
    *f = (NjSpec){.fill = ' ', .align = '>', .width = -1, .precision = -1};
#define CUR PyUnicode_READ_CHAR(s, pos)
    if (end - pos >= 2 && is_align(PyUnicode_READ_CHAR(s, pos + 1))) {
        f->fill = CUR;
        f->align = PyUnicode_READ_CHAR(s, pos + 1);
        f->fill_given = f->align_given = true;
        pos += 2;
    }
    else if (end - pos >= 1 && is_align(CUR)) {
        f->align = CUR;
        f->align_given = true;
        pos++;
    }
    if (pos < end && (CUR == ' ' || CUR == '+' || CUR == '-')) {
        f->sign = CUR;
        pos++;
    }
    if (pos < end && CUR == 'z') {
        f->no_neg_0 = true;
        pos++;
    }
    if (pos < end && CUR == '#') {
        f->alt = true;
        pos++;
    }
    if (!f->fill_given && pos < end && CUR == '0') {
        f->fill = '0';
        if (!f->align_given) {
            f->align = '=';
        }
        pos++;
    }
    if (read_count(s, &pos, end, &f->width) < 0 ||
        read_group(s, &pos, end, &f->group) < 0) {
        return -1;
    }
    if (pos < end && CUR == '.') {
        pos++;
        Py_ssize_t used = read_count(s, &pos, end, &f->precision);
        if (used < 0 || read_group(s, &pos, end, &f->frac_group) < 0) {
            return -1;
        }
        if (used == 0 && f->frac_group == 0) {
            PyErr_SetString(PyExc_ValueError, "Format specifier missing precision");
            return -1;
        }
    }
    if (end - pos > 1) {
        PyErr_Format(PyExc_ValueError,
                     "Invalid format specifier '%U' for object of type '%.200s'", s,
                     Py_TYPE(v)->tp_name);
        return -1;
    }
    if (end - pos == 1) {
        f->type = CUR;
    }
#undef CUR
    Py_UCS4 group = f->group;
    if (group) {
        switch (f->type) {
        case 'd':
        case 'e':
        case 'f':
        case 'g':
        case 'E':
        case 'G':
        case '%':
        case 'F':
        case 0:
            break;
        case 'b':
        case 'o':
        case 'x':
        case 'X':
            if (group != ',') {
                break;
            }
            /* fall through */
        default:
            bad_group_type(group, f->type);
            return -1;
        }
    }
    if (f->frac_group && f->type == 'n') {
        bad_group_type(f->frac_group, f->type);
        return -1;
    }
    return 0;
}

/* ---- layout ------------------------------------------------------------------------- */

/* Growing text of any characters; the common case stays on the stack. */
typedef struct Text {
    Py_UCS4 *p;
    Py_ssize_t n, room;
    Py_UCS4 stack[160];
} Text;

static void
text_init(Text *t)
{
    t->p = t->stack;
    t->n = 0;
    t->room = NJ_ARRAY_LEN(t->stack);
}

static void
text_free(Text *t)
{
    if (t->p != t->stack) {
        PyMem_Free(t->p);
    }
}

static int
text_room(Text *t, Py_ssize_t more)
{
    if (more <= t->room - t->n) {
        return 0;
    }
    if (more > PY_SSIZE_T_MAX / 8 - t->n) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t room = (t->n + more) + t->room;
    Py_UCS4 *p = t->p == t->stack ? PyMem_Malloc((size_t)room * sizeof *p)
                                  : PyMem_Realloc(t->p, (size_t)room * sizeof *p);
    if (p == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (t->p == t->stack) {
        memcpy(p, t->stack, (size_t)t->n * sizeof *p);
    }
    t->p = p;
    t->room = room;
    return 0;
}

static int
text_fill(Text *t, Py_UCS4 c, Py_ssize_t n)
{
    if (n <= 0) {
        return 0;
    }
    if (text_room(t, n) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        t->p[t->n++] = c;
    }
    return 0;
}

static int
text_ascii(Text *t, const char *s, Py_ssize_t n)
{
    if (text_room(t, n) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        t->p[t->n++] = (unsigned char)s[i];
    }
    return 0;
}

static int
text_str(Text *t, PyObject *s)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    if (text_room(t, n) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        t->p[t->n++] = PyUnicode_READ_CHAR(s, i);
    }
    return 0;
}

static PyObject *
text_finish(Text *t)
{
    PyObject *r = NULL;
    if (!PyErr_Occurred()) {
        r = PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, t->p, t->n);
    }
    text_free(t);
    return r;
}

/* How digits are grouped: separator, decimal point, sizes of groups from the right as
 * in struct lconv (the last one repeats; CHAR_MAX ends grouping). */
typedef struct Grouping {
    PyObject *sep;   /* owned str, or NULL: none */
    PyObject *point; /* owned str */
    PyObject *frac_sep; /* owned str, or NULL */
    const char *sizes;
    char sizes_copy[16];
} Grouping;

static void
grouping_free(Grouping *g)
{
    Py_XDECREF(g->sep);
    Py_XDECREF(g->point);
    Py_XDECREF(g->frac_sep);
}

static int
grouping_init(Grouping *g, const NjSpec *f, bool locale)
{
    *g = (Grouping){.sizes = ""};
    if (locale) {
        struct lconv *lc = localeconv();
        g->point = PyUnicode_DecodeLocale(lc->decimal_point, NULL);
        g->sep = PyUnicode_DecodeLocale(lc->thousands_sep, NULL);
        if (g->point == NULL || g->sep == NULL) {
            grouping_free(g);
            return -1;
        }
        strncpy(g->sizes_copy, lc->grouping, sizeof g->sizes_copy - 1);
        g->sizes = g->sizes_copy;
        return 0;
    }
    g->point = PyUnicode_FromOrdinal('.');
    if (g->point == NULL) {
        return -1;
    }
    if (f->group) {
        bool four = f->type == 'b' || f->type == 'o' || f->type == 'x' || f->type == 'X';
        g->sizes = four ? "\4" : "\3";
        g->sep = PyUnicode_FromOrdinal((int)f->group);
        if (g->sep == NULL) {
            grouping_free(g);
            return -1;
        }
    }
    if (f->frac_group) {
        g->frac_sep = PyUnicode_FromOrdinal((int)f->frac_group);
        if (g->frac_sep == NULL) {
            grouping_free(g);
            return -1;
        }
    }
    return 0;
}

/* Appends the digits, grouped and zero-filled to min_width. */
static int
add_whole(Text *t, const Grouping *g, const char *digits, Py_ssize_t n,
          Py_ssize_t min_width)
{
    if (n == 0) {
        return 0;
    }
    if (g->sep == NULL || g->sizes[0] == 0) {
        if (text_fill(t, '0', min_width - n) < 0) {
            return -1;
        }
        return text_ascii(t, digits, n);
    }
    /* Backwards into t, then turned round. */
    Py_ssize_t start = t->n;
    Py_ssize_t seplen = PyUnicode_GET_LENGTH(g->sep);
    const char *size = g->sizes;
    int left = *size == CHAR_MAX ? -1 : *size; /* -1: no more groups */
    while (n > 0 || t->n - start < min_width) {
        if (left == 0) {
            if (text_room(t, seplen) < 0) {
                return -1;
            }
            for (Py_ssize_t i = seplen; i-- > 0;) {
                t->p[t->n++] = PyUnicode_READ_CHAR(g->sep, i);
            }
            if (size[1]) {
                size++;
            }
            left = *size == CHAR_MAX ? -1 : *size;
        }
        if (text_room(t, 1) < 0) {
            return -1;
        }
        t->p[t->n++] = n > 0 ? (unsigned char)digits[--n] : '0';
        if (left > 0) {
            left--;
        }
    }
    for (Py_ssize_t i = start, j = t->n - 1; i < j; i++, j--) {
        Py_UCS4 c = t->p[i];
        t->p[i] = t->p[j];
        t->p[j] = c;
    }
    return 0;
}

/* One number cut into pieces. */
typedef struct Pieces {
    char sign;           /* 0: none */
    const char *prefix;  /* "", "0x", ... */
    const char *whole;
    Py_ssize_t nwhole;
    bool point;
    const char *frac;
    Py_ssize_t nfrac;
    const char *tail;    /* exponent, per cent, or "inf" / "nan" */
    Py_ssize_t ntail;
} Pieces;

/* Point, fraction, tail. */
static int
add_rest(Text *t, const Grouping *g, const Pieces *x)
{
    if (x->point && text_str(t, g->point) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < x->nfrac;) {
        Py_ssize_t n = x->nfrac - i;
        if (g->frac_sep) {
            if (i && text_str(t, g->frac_sep) < 0) {
                return -1;
            }
            n = n < 3 ? n : 3;
        }
        if (text_ascii(t, x->frac + i, n) < 0) {
            return -1;
        }
        i += n;
    }
    return text_ascii(t, x->tail, x->ntail);
}

static int
add_number(Text *t, const NjSpec *f, const Grouping *g, const Pieces *x)
{
    Py_ssize_t head = (x->sign != 0) + (Py_ssize_t)strlen(x->prefix);
    Py_ssize_t rest = (x->point ? PyUnicode_GET_LENGTH(g->point) : 0) + x->nfrac + x->ntail;
    if (g->frac_sep && x->nfrac > 0) {
        rest += (x->nfrac - 1) / 3;
    }
    Py_ssize_t min = f->fill == '0' && f->align == '=' ? f->width - head - rest : 0;
    Text w;
    text_init(&w);
    if (add_whole(&w, g, x->whole, x->nwhole, min) < 0) {
        text_free(&w);
        return -1;
    }
    Py_ssize_t pad = f->width - head - rest - w.n;
    if (pad < 0) {
        pad = 0;
    }
    Py_ssize_t before = 0, inside = 0, after = 0;
    switch (f->align) {
    case '<':
        after = pad;
        break;
    case '^':
        before = pad / 2;
        after = pad - before;
        break;
    case '=':
        inside = pad;
        break;
    default:
        before = pad;
    }
    int rc = text_fill(t, f->fill, before);
    if (rc == 0 && x->sign) {
        rc = text_ascii(t, &x->sign, 1);
    }
    if (rc == 0) {
        rc = text_ascii(t, x->prefix, (Py_ssize_t)strlen(x->prefix));
    }
    if (rc == 0) {
        rc = text_fill(t, f->fill, inside);
    }
    if (rc == 0) {
        rc = text_room(t, w.n);
    }
    if (rc == 0) {
        memcpy(t->p + t->n, w.p, (size_t)w.n * sizeof *w.p);
        t->n += w.n;
        rc = add_rest(t, g, x);
    }
    if (rc == 0) {
        rc = text_fill(t, f->fill, after);
    }
    text_free(&w);
    return rc;
}

static char
sign_char(Py_UCS4 option, bool negative)
{
    if (negative) {
        return '-';
    }
    return option == '+' || option == ' ' ? (char)option : 0;
}

/* Cuts the output of PyOS_double_to_string. */
static void
cut_double(const char *s, Pieces *x)
{
    x->whole = s;
    while (*s >= '0' && *s <= '9') {
        s++;
    }
    x->nwhole = s - x->whole;
    if (x->nwhole && *s == '.') {
        x->point = true;
        x->frac = ++s;
        while (*s >= '0' && *s <= '9') {
            s++;
        }
        x->nfrac = s - x->frac;
    }
    x->tail = s;
    x->ntail = (Py_ssize_t)strlen(s);
}

/* ---- int ---------------------------------------------------------------------------- */

static PyObject *format_double(PyObject *v, double x, const NjSpec *f);

static PyObject *
format_char(PyObject *v, const NjSpec *f)
{
    if (f->sign) {
        PyErr_SetString(PyExc_ValueError,
                        "Sign not allowed with integer format specifier 'c'");
        return NULL;
    }
    if (f->alt) {
        PyErr_SetString(PyExc_ValueError,
                        "Alternate form (#) not allowed with integer format specifier 'c'");
        return NULL;
    }
    long c = PyLong_AsLong(v);
    if (c == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (c < 0 || c > 0x10ffff) {
        PyErr_SetString(PyExc_OverflowError, "%c arg not in range(0x110000)");
        return NULL;
    }
    Py_ssize_t pad = f->width > 1 ? f->width - 1 : 0;
    Py_ssize_t before = f->align == '<' ? 0 : f->align == '^' ? pad / 2 : pad;
    Text t;
    text_init(&t);
    (void)(text_fill(&t, f->fill, before) < 0 || text_fill(&t, (Py_UCS4)c, 1) < 0 ||
           text_fill(&t, f->fill, pad - before) < 0);
    return text_finish(&t);
}

PyObject *
nj_format_int(PyObject *v, PyObject *spec)
{
    if (PyUnicode_GET_LENGTH(spec) == 0) {
        return PyLong_CheckExact(v) ? nj_int_to_text(v, 10, false) : PyObject_Str(v);
    }
    NjSpec f;
    if (parse_spec(v, spec, &f) < 0) {
        return NULL;
    }
    int base = 10;
    const char *prefix = "";
    switch (f.type) {
    case 0:
    case 'd':
    case 'n':
    case 'c':
        break;
    case 'b':
        base = 2;
        prefix = "0b";
        break;
    case 'o':
        base = 8;
        prefix = "0o";
        break;
    case 'x':
        base = 16;
        prefix = "0x";
        break;
    case 'X':
        base = 16;
        prefix = "0X";
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
    case '%': {
        double x = PyLong_AsDouble(v);
        if (x == -1.0 && PyErr_Occurred()) {
            return NULL;
        }
        return format_double(v, x, &f);
    }
    default:
        unknown_code(f.type, v);
        return NULL;
    }
    if (f.precision != -1) {
        PyErr_SetString(PyExc_ValueError,
                        "Precision not allowed in integer format specifier");
        return NULL;
    }
    if (f.no_neg_0) {
        PyErr_SetString(PyExc_ValueError, "Negative zero coercion (z) not allowed in "
                                          "integer format specifier");
        return NULL;
    }
    if (f.type == 'c') {
        return format_char(v, &f);
    }
    NJ_OWN digits = nj_int_to_text(v, base, false);
    if (digits == NULL) {
        return NULL;
    }
    const char *s = (const char *)PyUnicode_1BYTE_DATA(digits);
    Py_ssize_t n = PyUnicode_GET_LENGTH(digits);
    if (f.width <= n && f.sign == 0 && !f.alt && f.group == 0 && f.type != 'n' &&
        f.type != 'X') {
        return NJ_TAKE(digits);
    }
    bool negative = *s == '-';
    s += negative;
    n -= negative;
    NJ_OWN_MEM(char) upper = NULL;
    if (f.type == 'X') {
        upper = PyMem_Malloc((size_t)n);
        if (upper == NULL) {
            return PyErr_NoMemory();
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            upper[i] = Py_TOUPPER(s[i]);
        }
        s = upper;
    }
    Grouping g;
    if (grouping_init(&g, &f, f.type == 'n') < 0) {
        return NULL;
    }
    Pieces x = {.sign = sign_char(f.sign, negative),
                .prefix = f.alt ? prefix : "",
                .whole = s,
                .nwhole = n,
                .tail = ""};
    Text t;
    text_init(&t);
    (void)add_number(&t, &f, &g, &x);
    grouping_free(&g);
    return text_finish(&t);
}

/* ---- float -------------------------------------------------------------------------- */

/* The text of x for type and precision; decides default precision. NULL with ValueError. */
static char *
double_text(double x, Py_UCS4 *type, Py_ssize_t precision, int flags, int dflt)
{
    if (precision > NJ_DOUBLE_PRECISION_MAX) {
        PyErr_SetString(PyExc_ValueError, "precision too big");
        return NULL;
    }
    if (precision < 0) {
        precision = dflt;
    }
    else if (*type == 'r') {
        *type = 'g';
    }
    return PyOS_double_to_string(x, (char)*type, (int)precision, flags, NULL);
}

static PyObject *
format_double(PyObject *v, double x, const NjSpec *f)
{
    Py_UCS4 type = f->type;
    int flags = (f->alt ? Py_DTSF_ALT : 0) | (f->no_neg_0 ? Py_DTSF_NO_NEG_0 : 0);
    int dflt = 6;
    bool percent = false;
    switch (type) {
    case 0:
        flags |= Py_DTSF_ADD_DOT_0;
        type = 'r';
        dflt = 0;
        break;
    case 'n':
        type = 'g';
        break;
    case '%':
        type = 'f';
        x *= 100;
        percent = true;
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        break;
    default:
        unknown_code(type, v);
        return NULL;
    }
    char *s = double_text(x, &type, f->precision, flags, dflt);
    if (s == NULL) {
        return NULL;
    }
    Py_ssize_t n = (Py_ssize_t)strlen(s);
    if (percent) {
        char *p = PyMem_Realloc(s, (size_t)n + 2);
        if (p == NULL) {
            PyMem_Free(s);
            return PyErr_NoMemory();
        }
        s = p;
        s[n++] = '%';
        s[n] = '\0';
    }
    if (f->width <= n && f->sign != '+' && f->sign != ' ' && f->group == 0 &&
        f->frac_group == 0 && f->type != 'n') {
        PyObject *r = PyUnicode_FromStringAndSize(s, n);
        PyMem_Free(s);
        return r;
    }
    bool negative = *s == '-';
    Pieces p = {.sign = sign_char(f->sign, negative), .prefix = ""};
    cut_double(s + negative, &p);
    Grouping g;
    PyObject *r = NULL;
    if (grouping_init(&g, f, f->type == 'n') == 0) {
        Text t;
        text_init(&t);
        (void)add_number(&t, f, &g, &p);
        grouping_free(&g);
        r = text_finish(&t);
    }
    PyMem_Free(s);
    return r;
}

PyObject *
nj_format_float(PyObject *v, PyObject *spec)
{
    if (PyUnicode_GET_LENGTH(spec) == 0) {
        return PyObject_Str(v);
    }
    NjSpec f;
    if (parse_spec(v, spec, &f) < 0) {
        return NULL;
    }
    return format_double(v, PyFloat_AS_DOUBLE(v), &f);
}

/* ---- complex ------------------------------------------------------------------------ */

PyObject *
nj_format_complex(PyObject *v, PyObject *spec)
{
    if (PyUnicode_GET_LENGTH(spec) == 0) {
        return PyObject_Str(v);
    }
    NjSpec f;
    if (parse_spec(v, spec, &f) < 0) {
        return NULL;
    }
    Py_UCS4 type = f.type;
    int flags = (f.alt ? Py_DTSF_ALT : 0) | (f.no_neg_0 ? Py_DTSF_NO_NEG_0 : 0);
    int dflt = 6;
    Py_complex z = PyComplex_AsCComplex(v);
    bool skip_re = false, parens = false;
    switch (type) {
    case 0:
        type = 'r';
        dflt = 0;
        skip_re = z.real == 0.0 && !signbit(z.real);
        parens = !skip_re;
        break;
    case 'n':
        type = 'g';
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        break;
    default:
        unknown_code(type, v);
        return NULL;
    }
    if (f.fill == '0') {
        PyErr_SetString(PyExc_ValueError,
                        "Zero padding is not allowed in complex format specifier");
        return NULL;
    }
    if (f.align == '=') {
        PyErr_SetString(PyExc_ValueError,
                        "'=' alignment flag is not allowed in complex format specifier");
        return NULL;
    }
    Py_UCS4 t1 = type, t2 = type;
    NJ_OWN_MEM(char) re = double_text(z.real, &t1, f.precision, flags, dflt);
    NJ_OWN_MEM(char) im = re ? double_text(z.imag, &t2, f.precision, flags, dflt) : NULL;
    if (im == NULL) {
        return NULL;
    }
    Grouping g;
    if (grouping_init(&g, &f, f.type == 'n') < 0) {
        return NULL;
    }
    /* The parts carry no padding of their own. */
    NjSpec bare = f;
    bare.width = -1;
    Text body;
    text_init(&body);
    int rc = 0;
    if (parens) {
        rc = text_fill(&body, '(', 1);
    }
    if (rc == 0 && !skip_re) {
        bool neg = *re == '-';
        Pieces p = {.sign = sign_char(f.sign, neg), .prefix = ""};
        cut_double(re + neg, &p);
        rc = add_number(&body, &bare, &g, &p);
    }
    if (rc == 0) {
        bool neg = *im == '-';
        Pieces p = {.sign = sign_char(skip_re ? f.sign : '+', neg), .prefix = ""};
        cut_double(im + neg, &p);
        rc = add_number(&body, &bare, &g, &p);
    }
    if (rc == 0) {
        rc = text_fill(&body, 'j', 1);
    }
    if (rc == 0 && parens) {
        rc = text_fill(&body, ')', 1);
    }
    grouping_free(&g);
    Py_ssize_t pad = f.width > body.n ? f.width - body.n : 0;
    Py_ssize_t before = f.align == '<' ? 0 : f.align == '^' ? pad / 2 : pad;
    Text out;
    text_init(&out);
    if (rc == 0 && text_fill(&out, f.fill, before) == 0 && text_room(&out, body.n) == 0) {
        memcpy(out.p + out.n, body.p, (size_t)body.n * sizeof *body.p);
        out.n += body.n;
        (void)text_fill(&out, f.fill, pad - before);
    }
    text_free(&body);
    return text_finish(&out);
}

/* str_format.c - the % operator, str.format and its parser, str.__format__, _string.
 *
 * "%..." % args: parse one directive, make the text of the argument as a str, then pad it
 * with the sign and the base prefix in front of zeros.
 * "{...}".format: NjMarkup walks the template and yields literal runs and fields; a field
 * is looked up, converted and formatted straight into the writer. Specs may hold fields
 * themselves, one level deep. string.Formatter uses the same walker through _string.
 * SPDX-License-Identifier: MIT
 */
#include "objects/str_format.h"

#include "objects/number.h"
#include "objects/str_int.h"

/* ---- numbers for % ------------------------------------------------------------------------- */

PyObject *
nj_percent_int(PyObject *v, int conv, int flags, int prec)
{
    bool hexlike = conv == 'x' || conv == 'X' || conv == 'o';
    NJ_OWN iv = NULL;
    if (PyLong_Check(v)) {
        NJ_SET(iv, Py_NewRef(v));
    } else if (PyNumber_Check(v)) {
        NJ_SET(iv, hexlike ? PyNumber_Index(v) : PyNumber_Long(v));
        if (iv == NULL && !PyErr_ExceptionMatches(PyExc_TypeError)) {
            return NULL;
        }
    }
    if (iv == NULL) {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, hexlike ? "%%%c format: an integer is required, not %.200s"
                                              : "%%%c format: a real number is required, not %.200s",
                     conv, Py_TYPE(v)->tp_name);
        return NULL;
    }
    if (!hexlike && prec < 0) {
        return PyLong_Type.tp_repr(iv);
    }
    int base = conv == 'o' ? 8 : hexlike ? 16 : 10;
    NJ_OWN text = base == 10 ? PyLong_Type.tp_repr(iv) : PyNumber_ToBase(iv, base);
    if (text == NULL) {
        return NULL;
    }
    Py_ssize_t n;
    const char *p = PyUnicode_AsUTF8AndSize(text, &n);
    if (p == NULL) {
        return NULL;
    }
    bool negative = *p == '-';
    p += negative + (base == 10 ? 0 : 2);
    n -= negative + (base == 10 ? 0 : 2);
    Py_ssize_t zeros = prec > n ? prec - n : 0;
    bool prefix = (flags & NJ_PF_ALT) && base != 10;
    NJ_OWN r = PyUnicode_New(negative + (prefix ? 2 : 0) + zeros + n, 0x7f);
    if (r == NULL) {
        return NULL;
    }
    char *o = PyUnicode_DATA(r);
    if (negative) {
        *o++ = '-';
    }
    if (prefix) {
        *o++ = '0';
        *o++ = (char)conv;
    }
    memset(o, '0', (size_t)zeros);
    o += zeros;
    for (Py_ssize_t i = 0; i < n; i++) {
        o[i] = conv == 'X' ? (char)Py_TOUPPER(p[i]) : p[i];
    }
    return NJ_TAKE(r);
}

PyObject *
nj_percent_float(PyObject *v, int conv, int flags, int prec)
{
    double x = PyFloat_AsDouble(v);
    if (x == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (prec > NJ_DOUBLE_PRECISION_MAX) {
        PyErr_SetString(PyExc_ValueError, "precision too big");
        return NULL;
    }
    char *p = PyOS_double_to_string(x, (char)conv, prec < 0 ? 6 : prec,
                                    flags & NJ_PF_ALT ? Py_DTSF_ALT : 0, NULL);
    if (p == NULL) {
        return NULL;
    }
    PyObject *s = nj_str_from_ascii(p, (Py_ssize_t)strlen(p));
    PyMem_Free(p);
    return s;
}

/* ---- the % operator --------------------------------------------------------------------------- */

typedef struct {
    PyObject *format;
    int kind;
    const void *data;
    Py_ssize_t pos, len;
    PyObject *args;     /* tuple or the single argument, borrowed */
    Py_ssize_t argidx;  /* next of a tuple; -2: the single one is unused, -1: used */
    Py_ssize_t arglen;  /* -1: single argument */
    PyObject *mapping;  /* for %(key)s, borrowed, or NULL */
    PyObject *value;    /* owned: mapping[key] of this directive */
    NjStrWriter w;
} Percent;

static PyObject *
next_arg(Percent *f)
{
    if (f->value != NULL) {
        PyObject *v = f->value; /* a key was given: one value for this directive */
        if (f->argidx == -1) {
            goto none;
        }
        f->argidx = -1;
        return v;
    }
    if (f->arglen < 0) {
        if (f->argidx == -2) {
            f->argidx = -1;
            return f->args;
        }
    } else if (f->argidx < f->arglen) {
        return PyTuple_GET_ITEM(f->args, f->argidx++);
    }
none:
    PyErr_SetString(PyExc_TypeError, "not enough arguments for format string");
    return NULL;
}

static inline Py_UCS4
peek(const Percent *f)
{
    return PyUnicode_READ(f->kind, f->data, f->pos);
}

static int
incomplete(void)
{
    PyErr_SetString(PyExc_ValueError, "incomplete format");
    return -1;
}

/* Width or precision: digits or *. */
static int
percent_count(Percent *f, Py_ssize_t *out, const char *what, int *flags)
{
    if (f->pos < f->len && peek(f) == '*') {
        PyObject *v = next_arg(f);
        if (v == NULL) {
            return -1;
        }
        if (!PyLong_Check(v)) {
            PyErr_SetString(PyExc_TypeError, "* wants int");
            return -1;
        }
        Py_ssize_t n;
        if (flags != NULL) {
            n = PyLong_AsSsize_t(v);
        } else {
            n = PyLong_AsInt(v);
        }
        if (n == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (n < 0) {
            if (flags != NULL) {
                *flags |= NJ_PF_LEFT;
                n = -n;
            } else {
                n = 0;
            }
        }
        *out = n;
        f->pos++;
        return 0;
    }
    Py_ssize_t n = 0, limit = flags != NULL ? PY_SSIZE_T_MAX : INT_MAX;
    bool any = false;
    while (f->pos < f->len && peek(f) >= '0' && peek(f) <= '9') {
        Py_ssize_t d = (Py_ssize_t)peek(f) - '0';
        if (n > (limit - d) / 10) {
            PyErr_Format(PyExc_ValueError, "%s too big", what);
            return -1;
        }
        n = n * 10 + d;
        any = true;
        f->pos++;
    }
    if (any || flags == NULL) {
        *out = n;
    }
    return 0;
}

static int
percent_key(Percent *f)
{
    if (f->mapping == NULL) {
        PyErr_SetString(PyExc_TypeError, "format requires a mapping");
        return -1;
    }
    Py_ssize_t from = ++f->pos;
    int depth = 1;
    while (depth > 0) {
        if (f->pos >= f->len) {
            PyErr_SetString(PyExc_ValueError, "incomplete format key");
            return -1;
        }
        Py_UCS4 c = peek(f);
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        f->pos++;
    }
    PyObject *key = PyUnicode_Substring(f->format, from, f->pos - 1);
    if (key == NULL) {
        return -1;
    }
    Py_XSETREF(f->value, PyObject_GetItem(f->mapping, key));
    Py_DECREF(key);
    if (f->value == NULL) {
        return -1;
    }
    f->argidx = -2;
    return 0;
}

static int
percent_directive(Percent *f)
{
    int flags = 0;
    Py_ssize_t width = -1, prec = -1;
    Py_ssize_t begin = ++f->pos;
    Py_CLEAR(f->value);
    if (f->pos < f->len && peek(f) == '(' && percent_key(f) < 0) {
        return -1;
    }
    for (; f->pos < f->len; f->pos++) {
        Py_UCS4 c = peek(f);
        int flag = c == '-'   ? NJ_PF_LEFT
                   : c == '+' ? NJ_PF_SIGN
                   : c == ' ' ? NJ_PF_BLANK
                   : c == '#' ? NJ_PF_ALT
                   : c == '0' ? NJ_PF_ZERO
                              : 0;
        if (!flag) {
            break;
        }
        flags |= flag;
    }
    if (percent_count(f, &width, "width", &flags) < 0) {
        return -1;
    }
    if (f->pos < f->len && peek(f) == '.') {
        f->pos++;
        if (percent_count(f, &prec, "precision", NULL) < 0) {
            return -1;
        }
    }
    if (f->pos < f->len && (peek(f) == 'h' || peek(f) == 'l' || peek(f) == 'L')) {
        f->pos++;
    }
    if (f->pos >= f->len) {
        return incomplete();
    }
    Py_UCS4 conv = peek(f);
    Py_ssize_t at = f->pos++;
    if (f->pos == f->len) {
        f->w.overallocate = 0;
    }
    if (conv == '%' && at == begin) {
        return nj_writer_char(&f->w, '%');
    }
    PyObject *v = next_arg(f);
    if (v == NULL) {
        return -1;
    }
    NJ_OWN text = NULL;
    bool numeric = false;
    Py_UCS4 fill = ' ';
    switch (conv) {
    case 's':
    case 'r':
    case 'a':
        if (PyUnicode_CheckExact(v) && conv == 's') {
            NJ_SET(text, Py_NewRef(v));
        } else {
            NJ_SET(text, conv == 's'   ? PyObject_Str(v)
                         : conv == 'r' ? PyObject_Repr(v)
                                       : PyObject_ASCII(v));
        }
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        numeric = true;
        NJ_SET(text, nj_percent_int(v, (int)conv, flags, (int)prec));
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        numeric = true;
        NJ_SET(text, nj_percent_float(v, (int)conv, flags, (int)prec));
        prec = -1;
        break;
    case 'c':
        prec = -1;
        if (PyUnicode_Check(v)) {
            if (PyUnicode_GET_LENGTH(v) != 1) {
                PyErr_Format(PyExc_TypeError,
                             "%%c requires an int or a unicode character, not a string of "
                             "length %zd",
                             PyUnicode_GET_LENGTH(v));
                return -1;
            }
            NJ_SET(text, nj_str_exact(v));
        } else {
            NJ_OWN iv = PyIndex_Check(v) ? PyNumber_Index(v) : NULL;
            if (iv == NULL) {
                if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_TypeError)) {
                    return -1;
                }
                PyErr_Clear();
                PyErr_Format(PyExc_TypeError,
                             "%%c requires an int or a unicode character, not %T", v);
                return -1;
            }
            int overflow;
            long x = PyLong_AsLongAndOverflow(iv, &overflow);
            if (overflow || x < 0 || x > 0x10ffff) {
                PyErr_SetString(PyExc_OverflowError, "%c arg not in range(0x110000)");
                return -1;
            }
            NJ_SET(text, PyUnicode_FromOrdinal((int)x));
        }
        break;
    default:
        if (conv < 128 && Py_ISALNUM((char)conv) == 0 && !(conv >= 32 && conv < 127)) {
            PyErr_Format(PyExc_ValueError,
                         "unsupported format character '?' (0x%x) at index %zd", (int)conv,
                         at);
        } else {
            PyErr_Format(PyExc_ValueError,
                         "unsupported format character '%c' (0x%x) at index %zd",
                         conv < 127 ? (int)conv : '?', (int)conv, at);
        }
        return -1;
    }
    if (text == NULL) {
        return -1;
    }
    Py_ssize_t from = 0, n = PyUnicode_GET_LENGTH(text);
    if (!numeric) {
        if (prec >= 0) {
            n = Py_MIN(n, prec);
        }
        if (width <= n) {
            return nj_writer_substring(&f->w, text, 0, n);
        }
        if (!(flags & NJ_PF_LEFT) && nj_writer_repeat(&f->w, ' ', width - n) < 0) {
            return -1;
        }
        if (nj_writer_substring(&f->w, text, 0, n) < 0) {
            return -1;
        }
        return flags & NJ_PF_LEFT ? nj_writer_repeat(&f->w, ' ', width - n) : 0;
    }
    if (width < 0 && !(flags & (NJ_PF_SIGN | NJ_PF_BLANK))) {
        return nj_writer_str(&f->w, text);
    }
    Py_UCS4 sign = 0;
    const char *p = PyUnicode_DATA(text); /* numbers are ASCII */
    if (flags & NJ_PF_ZERO) {
        fill = '0';
    }
    if (*p == '-' || *p == '+') {
        sign = (Py_UCS4)*p;
        from = 1;
    } else if (flags & NJ_PF_SIGN) {
        sign = '+';
    } else if (flags & NJ_PF_BLANK) {
        sign = ' ';
    }
    bool prefix = (flags & NJ_PF_ALT) && (conv == 'x' || conv == 'X' || conv == 'o');
    Py_ssize_t pad = width - (n - from) - (sign != 0);
    pad = Py_MAX(pad, 0);
    bool zeros = fill == '0' && !(flags & NJ_PF_LEFT);
    if (pad && !zeros && !(flags & NJ_PF_LEFT) && nj_writer_repeat(&f->w, ' ', pad) < 0) {
        return -1;
    }
    if (sign && nj_writer_char(&f->w, sign) < 0) {
        return -1;
    }
    if (prefix) {
        if (nj_writer_ascii(&f->w, p + from, 2) < 0) {
            return -1;
        }
        from += 2;
    }
    if (pad && zeros && nj_writer_repeat(&f->w, '0', pad) < 0) {
        return -1;
    }
    if (nj_writer_ascii(&f->w, p + from, n - from) < 0) {
        return -1;
    }
    return pad && (flags & NJ_PF_LEFT) ? nj_writer_repeat(&f->w, ' ', pad) : 0;
}

PyObject *
PyUnicode_Format(PyObject *format, PyObject *args)
{
    if (format == NULL || args == NULL) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (nj_str_require(format) < 0) {
        return NULL;
    }
    Percent f = {
        .format = format,
        .kind = PyUnicode_KIND(format),
        .data = PyUnicode_DATA(format),
        .len = PyUnicode_GET_LENGTH(format),
        .args = args,
        .argidx = -2,
        .arglen = -1,
    };
    nj_writer_init(&f.w);
    f.w.min_length = f.len + 100;
    f.w.overallocate = 1;
    if (PyTuple_Check(args)) {
        f.arglen = PyTuple_GET_SIZE(args);
        f.argidx = 0;
    }
    if (PyMapping_Check(args) && !PyTuple_Check(args) && !PyUnicode_Check(args)) {
        f.mapping = args;
    }
    while (f.pos < f.len) {
        Py_ssize_t i = nj_find_char(f.kind, nj_at(f.data, f.kind, f.pos), f.len - f.pos, '%');
        Py_ssize_t to = i < 0 ? f.len : f.pos + i;
        if (to == f.len) {
            f.w.overallocate = 0;
        }
        if (nj_writer_substring(&f.w, format, f.pos, to) < 0) {
            goto fail;
        }
        f.pos = to;
        if (to < f.len && percent_directive(&f) < 0) {
            goto fail;
        }
    }
    if (f.mapping == NULL && (f.arglen < 0 ? f.argidx == -2 : f.argidx < f.arglen)) {
        PyErr_SetString(PyExc_TypeError,
                        "not all arguments converted during string formatting");
        goto fail;
    }
    Py_CLEAR(f.value);
    return nj_writer_finish(&f.w);
fail:
    Py_CLEAR(f.value);
    nj_writer_clear(&f.w);
    return NULL;
}

/* ---- replacement fields: walking the template ------------------------------------------------- */

typedef struct {
    PyObject *str; /* borrowed */
    Py_ssize_t start, end;
} Span;

typedef struct {
    Span rest;
} NjMarkup;

typedef struct {
    Span literal;
    bool has_field;
    Span name, spec;
    Py_UCS4 conversion; /* 0: none */
    bool spec_has_fields;
} MarkupPiece;

static inline Py_UCS4
span_char(const Span *s, Py_ssize_t i)
{
    return PyUnicode_READ_CHAR(s->str, i);
}

static PyObject *
span_str(const Span *s)
{
    return PyUnicode_Substring(s->str, s->start, s->end);
}

static int
value_error(const char *message)
{
    PyErr_SetString(PyExc_ValueError, message);
    return -1;
}

/* The next literal and field: 1, 0 at the end, -1 with ValueError. */
static int
next_piece(NjMarkup *m, MarkupPiece *out)
{
    Span *s = &m->rest;
    memset(out, 0, sizeof(*out));
    if (s->start >= s->end) {
        return 0;
    }
    Py_ssize_t i = s->start;
    Py_UCS4 c = 0;
    out->literal = (Span){s->str, i, i};
    while (i < s->end) {
        c = span_char(s, i++);
        if (c == '{' || c == '}') {
            break;
        }
        c = 0;
    }
    if (c == 0) {
        out->literal.end = i;
        s->start = i;
        return 1;
    }
    bool at_end = i >= s->end;
    if (!at_end && span_char(s, i) == c) {
        /* doubled: the literal ends with one of the two */
        out->literal.end = i;
        s->start = i + 1;
        return 1;
    }
    if (c == '}') {
        return value_error("Single '}' encountered in format string");
    }
    if (at_end) {
        return value_error("Single '{' encountered in format string");
    }
    out->literal.end = i - 1;
    out->has_field = true;
    out->name = (Span){s->str, i, i};
    out->spec = (Span){s->str, i, i};
    bool in_bracket = false, found = false;
    for (; i < s->end; i++) {
        c = span_char(s, i);
        if (in_bracket) {
            in_bracket = c != ']';
            continue;
        }
        if (c == '{') {
            return value_error("unexpected '{' in field name");
        }
        if (c == '[') {
            in_bracket = true;
        } else if (c == '}' || c == ':' || c == '!') {
            found = true;
            break;
        }
    }
    if (!found) {
        return value_error("expected '}' before end of string");
    }
    out->name.end = i++;
    if (c == '!') {
        if (i >= s->end) {
            return value_error("end of string while looking for conversion specifier");
        }
        out->conversion = span_char(s, i++);
        if (i >= s->end) {
            return value_error("unmatched '{' in format spec");
        }
        c = span_char(s, i++);
        if (c != '}' && c != ':') {
            return value_error("expected ':' after conversion specifier");
        }
    }
    if (c == ':') {
        int depth = 1;
        out->spec.start = i;
        for (;; i++) {
            if (i >= s->end) {
                return value_error("unmatched '{' in format spec");
            }
            c = span_char(s, i);
            if (c == '{') {
                out->spec_has_fields = true;
                depth++;
            } else if (c == '}' && --depth == 0) {
                break;
            }
        }
        out->spec.end = i++;
    }
    s->start = i;
    return 1;
}

/* Decimal number in the span: its value, -1 if it is none, -2 with ValueError. */
static Py_ssize_t
span_number(const Span *s)
{
    if (s->start >= s->end) {
        return -1;
    }
    Py_ssize_t n = 0;
    for (Py_ssize_t i = s->start; i < s->end; i++) {
        int d = Py_UNICODE_TODECIMAL(span_char(s, i));
        if (d < 0) {
            return -1;
        }
        if (n > (PY_SSIZE_T_MAX - d) / 10) {
            value_error("Too many decimal digits in format string");
            return -2;
        }
        n = n * 10 + d;
    }
    return n;
}

/* Splits a field name into its first part and the rest. */
static void
split_first(const Span *name, Span *first, Span *rest)
{
    Py_ssize_t i = name->start;
    while (i < name->end) {
        Py_UCS4 c = span_char(name, i);
        if (c == '.' || c == '[') {
            break;
        }
        i++;
    }
    *first = (Span){name->str, name->start, i};
    *rest = (Span){name->str, i, name->end};
}

/* One more accessor of the rest: 1, 0 at the end, -1 error. index is -1 for a str key. */
static int
next_accessor(Span *rest, bool *is_attr, Span *key, Py_ssize_t *index)
{
    if (rest->start >= rest->end) {
        return 0;
    }
    Py_UCS4 c = span_char(rest, rest->start++);
    Py_ssize_t i = rest->start;
    if (c == '.') {
        while (i < rest->end && span_char(rest, i) != '.' && span_char(rest, i) != '[') {
            i++;
        }
        *is_attr = true;
        *key = (Span){rest->str, rest->start, i};
        rest->start = i;
        *index = -1;
    } else if (c == '[') {
        while (i < rest->end && span_char(rest, i) != ']') {
            i++;
        }
        if (i >= rest->end) {
            return value_error("Missing ']' in format string");
        }
        *is_attr = false;
        *key = (Span){rest->str, rest->start, i};
        rest->start = i + 1;
        *index = span_number(key);
        if (*index == -2) {
            return -1;
        }
    } else {
        return value_error("Only '.' or '[' may follow ']' in format field specifier");
    }
    if (key->start == key->end) {
        return value_error("Empty attribute in format string");
    }
    return 1;
}

/* ---- str.format -------------------------------------------------------------------------------- */

typedef struct {
    PyObject *args;   /* tuple or NULL (format_map) */
    PyObject *kwargs; /* mapping or NULL */
    enum { AUTO_UNKNOWN, AUTO_ON, AUTO_OFF } state;
    Py_ssize_t next; /* next automatic number */
} FormatArgs;

static PyObject *
lookup_field(FormatArgs *fa, const Span *name)
{
    Span first, rest;
    split_first(name, &first, &rest);
    bool empty = first.start == first.end;
    Py_ssize_t index = empty ? -1 : span_number(&first);
    if (index == -2) {
        return NULL;
    }
    PyObject *obj;
    if (empty || index >= 0) {
        if (fa->state == AUTO_UNKNOWN) {
            fa->state = empty ? AUTO_ON : AUTO_OFF;
        } else if ((fa->state == AUTO_ON) != empty) {
            value_error(fa->state == AUTO_ON ? "cannot switch from automatic field numbering to "
                                               "manual field specification"
                                             : "cannot switch from manual field specification "
                                               "to automatic field numbering");
            return NULL;
        }
        if (empty) {
            index = fa->next++;
        }
        if (fa->args == NULL) {
            value_error("Format string contains positional fields");
            return NULL;
        }
        if (index >= PyTuple_GET_SIZE(fa->args)) {
            PyErr_Format(PyExc_IndexError,
                         "Replacement index %zd out of range for positional args tuple",
                         index);
            return NULL;
        }
        obj = Py_NewRef(PyTuple_GET_ITEM(fa->args, index));
    } else {
        PyObject *key = span_str(&first);
        if (key == NULL) {
            return NULL;
        }
        if (fa->kwargs == NULL) {
            PyErr_SetObject(PyExc_KeyError, key);
            obj = NULL;
        } else {
            obj = PyObject_GetItem(fa->kwargs, key);
        }
        Py_DECREF(key);
    }
    while (obj != NULL) {
        bool is_attr;
        Span key;
        int more = next_accessor(&rest, &is_attr, &key, &index);
        if (more == 0) {
            return obj;
        }
        PyObject *next = NULL;
        if (more > 0) {
            PyObject *k = index >= 0 ? PyLong_FromSsize_t(index) : span_str(&key);
            if (k != NULL) {
                if (is_attr) {
                    next = PyObject_GetAttr(obj, k);
                } else if (index >= 0 && PySequence_Check(obj) && !PyDict_Check(obj) &&
                           !(Py_TYPE(obj)->tp_as_mapping &&
                             Py_TYPE(obj)->tp_as_mapping->mp_subscript)) {
                    next = PySequence_GetItem(obj, index);
                } else {
                    next = PyObject_GetItem(obj, k);
                }
                Py_DECREF(k);
            }
        }
        Py_DECREF(obj);
        obj = next;
    }
    return NULL;
}

static int build(NjStrWriter *w, Span text, FormatArgs *fa, int depth);

static int
write_field(NjStrWriter *w, MarkupPiece *p, FormatArgs *fa, int depth)
{
    NJ_OWN obj = lookup_field(fa, &p->name);
    if (obj == NULL) {
        return -1;
    }
    switch (p->conversion) {
    case 0: break;
    case 'r': NJ_SET(obj, PyObject_Repr(obj)); break;
    case 's': NJ_SET(obj, PyObject_Str(obj)); break;
    case 'a': NJ_SET(obj, PyObject_ASCII(obj)); break;
    default:
        if (p->conversion > 32 && p->conversion < 127) {
            PyErr_Format(PyExc_ValueError, "Unknown conversion specifier %c",
                         (int)p->conversion);
        } else {
            PyErr_Format(PyExc_ValueError, "Unknown conversion specifier \\x%x",
                         (unsigned)p->conversion);
        }
        return -1;
    }
    if (obj == NULL) {
        return -1;
    }
    NJ_OWN spec = NULL;
    if (p->spec_has_fields) {
        NjStrWriter sw;
        nj_writer_init(&sw);
        sw.overallocate = 1;
        if (build(&sw, p->spec, fa, depth - 1) < 0) {
            nj_writer_clear(&sw);
            return -1;
        }
        NJ_SET(spec, nj_writer_finish(&sw));
    } else {
        NJ_SET(spec, span_str(&p->spec));
    }
    if (spec == NULL) {
        return -1;
    }
    if (PyUnicode_GET_LENGTH(spec) == 0) {
        if (PyUnicode_CheckExact(obj)) {
            return nj_writer_str(w, obj);
        }
        if (PyLong_CheckExact(obj)) {
            NJ_OWN s = PyLong_Type.tp_repr(obj);
            return s == NULL ? -1 : nj_writer_str(w, s);
        }
    }
    NJ_OWN s = PyObject_Format(obj, spec);
    return s == NULL ? -1 : nj_writer_str(w, s);
}

static int
build(NjStrWriter *w, Span text, FormatArgs *fa, int depth)
{
    if (depth < 0) {
        return value_error("Max string recursion exceeded");
    }
    NjMarkup m = {text};
    MarkupPiece p;
    int more;
    while ((more = next_piece(&m, &p)) > 0) {
        if (m.rest.start >= m.rest.end) {
            w->overallocate = 0; /* the last piece: if it is the only one, no copy */
        }
        if (p.literal.end > p.literal.start &&
            nj_writer_substring(w, p.literal.str, p.literal.start, p.literal.end) < 0) {
            return -1;
        }
        if (p.has_field && write_field(w, &p, fa, depth) < 0) {
            return -1;
        }
    }
    return more;
}

static PyObject *
format_template(PyObject *self, PyObject *args, PyObject *kwargs)
{
    FormatArgs fa = {args, kwargs, AUTO_UNKNOWN, 0};
    NjStrWriter w;
    nj_writer_init(&w);
    w.overallocate = 1;
    w.min_length = PyUnicode_GET_LENGTH(self) + 100;
    if (build(&w, (Span){self, 0, PyUnicode_GET_LENGTH(self)}, &fa, 1) < 0) {
        nj_writer_clear(&w);
        return NULL;
    }
    return nj_writer_finish(&w);
}

PyObject *
nj_str_format_method(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return format_template(self, args, kwargs);
}

PyObject *
nj_str_format_map(PyObject *self, PyObject *mapping)
{
    return format_template(self, NULL, mapping);
}

/* ---- str.__format__ ------------------------------------------------------------------------------ */

static inline bool
is_align(Py_UCS4 c)
{
    return c == '<' || c == '>' || c == '=' || c == '^';
}

static int
spec_number(PyObject *spec, Py_ssize_t *pos, Py_ssize_t *out)
{
    Py_ssize_t n = 0, i = *pos, len = PyUnicode_GET_LENGTH(spec);
    for (; i < len; i++) {
        int d = Py_UNICODE_TODECIMAL(PyUnicode_READ_CHAR(spec, i));
        if (d < 0) {
            break;
        }
        if (n > (PY_SSIZE_T_MAX - d) / 10) {
            return value_error("Too many decimal digits in format string");
        }
        n = n * 10 + d;
    }
    if (i > *pos) {
        *out = n;
    }
    *pos = i;
    return 0;
}

static void
unknown_code(Py_UCS4 c, PyObject *self)
{
    if (c > 32 && c < 128) {
        PyErr_Format(PyExc_ValueError,
                     "Unknown format code '%c' for object of type '%.200s'", (int)c,
                     Py_TYPE(self)->tp_name);
    } else {
        PyErr_Format(PyExc_ValueError,
                     "Unknown format code '\\x%x' for object of type '%.200s'",
                     (unsigned)c, Py_TYPE(self)->tp_name);
    }
}

PyObject *
nj_str_format_spec(PyObject *self, PyObject *spec)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(spec), i = 0;
    if (n == 0) {
        return PyUnicode_CheckExact(self) ? Py_NewRef(self) : PyObject_Str(self);
    }
#define CH(k) PyUnicode_READ_CHAR(spec, k)
    Py_UCS4 fill = ' ', align = '<', sign = 0, group = 0, type = 's';
    bool align_given = false, fill_given = false, alternate = false, coerce = false;
    Py_ssize_t width = -1, precision = -1;
    if (n >= 2 && is_align(CH(1))) {
        fill = CH(0);
        align = CH(1);
        align_given = fill_given = true;
        i = 2;
    } else if (is_align(CH(0))) {
        align = CH(0);
        align_given = true;
        i = 1;
    }
    if (i < n && (CH(i) == '+' || CH(i) == '-' || CH(i) == ' ')) {
        sign = CH(i++);
    }
    if (i < n && CH(i) == 'z') {
        coerce = true;
        i++;
    }
    if (i < n && CH(i) == '#') {
        alternate = true;
        i++;
    }
    if (!fill_given && i < n && CH(i) == '0') {
        fill = '0';
        if (!align_given) {
            align = '<';
        }
        i++;
    }
    if (spec_number(spec, &i, &width) < 0) {
        return NULL;
    }
    if (i < n && (CH(i) == ',' || CH(i) == '_')) {
        group = CH(i++);
        if (i < n && (CH(i) == ',' || CH(i) == '_') && CH(i) != group) {
            value_error("Cannot specify both ',' and '_'.");
            return NULL;
        }
    }
    if (i < n && CH(i) == '.') {
        i++;
        Py_ssize_t before = i;
        if (spec_number(spec, &i, &precision) < 0) {
            return NULL;
        }
        bool any = i > before;
        if (i < n && (CH(i) == ',' || CH(i) == '_')) {
            /* grouping of the fraction: allowed by the syntax, no use to a str */
            Py_UCS4 fraction = CH(i++);
            any = true;
            if (i < n && (CH(i) == ',' || CH(i) == '_') && CH(i) != fraction) {
                value_error("Cannot specify both ',' and '_'.");
                return NULL;
            }
        }
        if (!any) {
            value_error("Format specifier missing precision");
            return NULL;
        }
    }
    if (n - i > 1) {
        PyErr_Format(PyExc_ValueError,
                     "Invalid format specifier '%U' for object of type '%.200s'", spec,
                     Py_TYPE(self)->tp_name);
        return NULL;
    }
    if (i < n) {
        type = CH(i);
    }
#undef CH
    if (group) {
        if (type == 's' || !strchr(group == ',' ? "deEfFgG%" : "deEfFgG%boxX", type < 128 ? (int)type : 1)) {
            if (type > 32 && type < 128) {
                PyErr_Format(PyExc_ValueError, "Cannot specify '%c' with '%c'.", (int)group,
                             (int)type);
            } else {
                PyErr_Format(PyExc_ValueError, "Cannot specify '%c' with '\\x%x'.",
                             (int)group, (unsigned)type);
            }
            return NULL;
        }
    }
    if (type != 's') {
        unknown_code(type, self);
        return NULL;
    }
    if (sign) {
        value_error(sign == ' ' ? "Space not allowed in string format specifier"
                                : "Sign not allowed in string format specifier");
        return NULL;
    }
    if (coerce) {
        value_error("Negative zero coercion (z) not allowed in string format specifier");
        return NULL;
    }
    if (alternate) {
        value_error("Alternate form (#) not allowed in string format specifier");
        return NULL;
    }
    if (align == '=') {
        value_error("'=' alignment not allowed in string format specifier");
        return NULL;
    }
    Py_ssize_t len = PyUnicode_GET_LENGTH(self);
    if (precision >= 0) {
        len = Py_MIN(len, precision);
    }
    Py_ssize_t pad = width > len ? width - len : 0;
    if (pad == 0) {
        return nj_str_slice(self, 0, len);
    }
    Py_ssize_t left = align == '>' ? pad : align == '^' ? pad / 2 : 0;
    NjStrWriter w;
    nj_writer_init(&w);
    w.min_length = width;
    if (nj_writer_repeat(&w, fill, left) < 0 ||
        nj_writer_prepare(&w, len, PyUnicode_MAX_CHAR_VALUE(self)) < 0 ||
        nj_writer_substring(&w, self, 0, len) < 0 ||
        nj_writer_repeat(&w, fill, pad - left) < 0) {
        nj_writer_clear(&w);
        return NULL;
    }
    return nj_writer_finish(&w);
}

/* ---- the _string module ----------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *str; /* owned */
    NjMarkup markup;
} FormatterIter;

typedef struct {
    PyObject_HEAD
    PyObject *str; /* owned */
    Span rest;
} FieldNameIter;

static void
formatteriter_dealloc(PyObject *op)
{
    Py_XDECREF(((FormatterIter *)op)->str);
    PyObject_Free(op);
}

static PyObject *
formatteriter_next(PyObject *op)
{
    FormatterIter *it = (FormatterIter *)op;
    MarkupPiece p;
    if (next_piece(&it->markup, &p) <= 0) {
        return NULL;
    }
    NJ_OWN literal = span_str(&p.literal);
    if (literal == NULL) {
        return NULL;
    }
    if (!p.has_field) {
        return PyTuple_Pack(4, literal, Py_None, Py_None, Py_None);
    }
    NJ_OWN name = span_str(&p.name);
    NJ_OWN spec = span_str(&p.spec);
    NJ_OWN conversion = p.conversion ? PyUnicode_FromOrdinal((int)p.conversion) : Py_None;
    if (name == NULL || spec == NULL || conversion == NULL) {
        return NULL;
    }
    return PyTuple_Pack(4, literal, name, spec, conversion);
}

PyTypeObject NjFormatterIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "formatteriterator",
    .tp_basicsize = sizeof(FormatterIter),
    .tp_dealloc = formatteriter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = formatteriter_next,
};

static void
fieldnameiter_dealloc(PyObject *op)
{
    Py_XDECREF(((FieldNameIter *)op)->str);
    PyObject_Free(op);
}

static PyObject *
fieldnameiter_next(PyObject *op)
{
    FieldNameIter *it = (FieldNameIter *)op;
    bool is_attr;
    Span key;
    Py_ssize_t index;
    if (next_accessor(&it->rest, &is_attr, &key, &index) <= 0) {
        return NULL;
    }
    NJ_OWN k = index >= 0 ? PyLong_FromSsize_t(index) : span_str(&key);
    if (k == NULL) {
        return NULL;
    }
    return PyTuple_Pack(2, is_attr ? Py_True : Py_False, k);
}

PyTypeObject NjFieldNameIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "fieldnameiterator",
    .tp_basicsize = sizeof(FieldNameIter),
    .tp_dealloc = fieldnameiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = fieldnameiter_next,
};

static PyObject *
formatter_parser(PyObject *module, PyObject *s)
{
    if (!PyUnicode_Check(s)) {
        PyErr_Format(PyExc_TypeError, "expected str, got %s", Py_TYPE(s)->tp_name);
        return NULL;
    }
    FormatterIter *it = PyObject_New(FormatterIter, &NjFormatterIter_Type);
    if (it == NULL) {
        return NULL;
    }
    it->str = Py_NewRef(s);
    it->markup.rest = (Span){s, 0, PyUnicode_GET_LENGTH(s)};
    return (PyObject *)it;
}

static PyObject *
formatter_field_name_split(PyObject *module, PyObject *s)
{
    if (!PyUnicode_Check(s)) {
        PyErr_Format(PyExc_TypeError, "expected str, got %s", Py_TYPE(s)->tp_name);
        return NULL;
    }
    Span name = {s, 0, PyUnicode_GET_LENGTH(s)}, first, rest;
    split_first(&name, &first, &rest);
    Py_ssize_t index = span_number(&first);
    if (index == -2) {
        return NULL;
    }
    NJ_OWN head = index >= 0 ? PyLong_FromSsize_t(index) : span_str(&first);
    if (head == NULL) {
        return NULL;
    }
    FieldNameIter *it = PyObject_New(FieldNameIter, &NjFieldNameIter_Type);
    if (it == NULL) {
        return NULL;
    }
    it->str = Py_NewRef(s);
    it->rest = rest;
    NJ_OWN iter = (PyObject *)it;
    return PyTuple_Pack(2, head, iter);
}

static PyMethodDef string_methods[] = {
    {"formatter_field_name_split", formatter_field_name_split, METH_O,
     "formatter_field_name_split($module, object, /)\n--\n\n"
     "First part of a field name, and an iterator over the rest."},
    {"formatter_parser", formatter_parser, METH_O,
     "formatter_parser($module, object, /)\n--\n\n"
     "Iterator over the literals and fields of a template."},
    {NULL},
};

static PyModuleDef_Slot string_slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef string_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_string",
    .m_doc = "String formatting helpers of the string module.",
    .m_methods = string_methods,
    .m_slots = string_slots,
};

PyMODINIT_FUNC PyInit__string(void);
PyMODINIT_FUNC
PyInit__string(void)
{
    return PyModuleDef_Init(&string_module);
}

/* source.c - from the bytes of a source file to the text that the lexer reads.
 *
 * The text is UTF-8 without BOM, newlines are \n, and (for whole files) it ends with
 * one. A coding cookie in the first two lines, or a BOM, chooses the codec; without
 * either the bytes must be UTF-8. What fails here is a SyntaxError.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "frontend/compile.h"
#include "frontend/lexer.h"

static NJ_COLD void
raise_without_position(PyObject *msg, PyObject *filename)
{
    NJ_OWN args = Py_BuildValue("(O(OiiO))", msg, filename ? filename : Py_None, 0, -1,
                                Py_None);
    if (args) {
        PyErr_SetObject(PyExc_SyntaxError, args);
    }
}

/* Offset of the first byte that is not well-formed UTF-8, or -1. */
static Py_ssize_t
find_bad_utf8(const unsigned char *s, Py_ssize_t n)
{
    Py_ssize_t i = 0;
    while (i < n) {
        while (i + 8 <= n) {
            uint64_t w;
            memcpy(&w, s + i, 8);
            if (w & 0x8080808080808080u) {
                break;
            }
            i += 8;
        }
        if (i >= n) {
            break;
        }
        unsigned char c = s[i];
        if (c < 0x80) {
            i++;
            continue;
        }
        int more;
        unsigned char low = 0x80, high = 0xBF;
        if (c >= 0xC2 && c <= 0xDF) {
            more = 1;
        }
        else if (c >= 0xE0 && c <= 0xEF) {
            more = 2;
            low = c == 0xE0 ? 0xA0 : 0x80;
            high = c == 0xED ? 0x9F : 0xBF;
        }
        else if (c >= 0xF0 && c <= 0xF4) {
            more = 3;
            low = c == 0xF0 ? 0x90 : 0x80;
            high = c == 0xF4 ? 0x8F : 0xBF;
        }
        else {
            return i;
        }
        if (i + more >= n || s[i + 1] < low || s[i + 1] > high) {
            return i;
        }
        for (int k = 2; k <= more; k++) {
            if ((s[i + k] & 0xC0) != 0x80) {
                return i;
            }
        }
        i += more + 1;
    }
    return -1;
}

static NJ_COLD void
raise_bad_utf8(const char *s, Py_ssize_t n, Py_ssize_t bad, PyObject *filename,
               bool from_file)
{
    int lineno = 1;
    Py_ssize_t line = 0;
    for (Py_ssize_t i = 0; i < bad; i++) {
        if (s[i] == '\n' || (s[i] == '\r' && s[i + 1] != '\n')) {
            lineno++;
            line = i + 1;
        }
    }
    Py_ssize_t end = bad;
    while (end < n && s[end] != '\n' && s[end] != '\r') {
        end++;
    }
    NJ_OWN upto = PyUnicode_DecodeUTF8(s + line, bad + 1 - line, "replace");
    NJ_OWN text = PyUnicode_DecodeUTF8(s + line, end - line, "replace");
    char hex[8];
    PyOS_snprintf(hex, sizeof hex, "%02x", (unsigned char)s[bad]);
    NJ_OWN where = from_file ? PyUnicode_FromFormat(" in file %U", filename)
                             : PyUnicode_FromString("");
    NJ_OWN msg = where ? PyUnicode_FromFormat(
                             "Non-UTF-8 code starting with '\\x%s'%U on line %d, but no "
                             "encoding declared; see "
                             "https://peps.python.org/pep-0263/ for details",
                             hex, where, lineno)
                       : NULL;
    if (!upto || !text || !msg) {
        return;
    }
    Py_ssize_t col = PyUnicode_GET_LENGTH(upto);
    NJ_OWN args = Py_BuildValue("(O(OinOin))", msg, filename ? filename : Py_None, lineno,
                                col, text, lineno, col);
    if (args) {
        PyErr_SetObject(PyExc_SyntaxError, args);
    }
}

static NJ_COLD void
raise_null_byte(const char *s, Py_ssize_t n, PyObject *filename)
{
    const char *bad = memchr(s, 0, (size_t)n), *line = s;
    int lineno = 1;
    for (const char *p = s; p < bad; p++) {
        if (*p == '\n' || (*p == '\r' && p[1] != '\n')) {
            lineno++;
            line = p + 1;
        }
    }
    NJ_OWN text = PyUnicode_DecodeUTF8(line, bad - line, "replace");
    NJ_OWN args = text ? Py_BuildValue("(s(OiiOii))", "source code cannot contain null bytes",
                                       filename ? filename : Py_None, lineno, 0, text, lineno,
                                       0)
                       : NULL;
    if (args) {
        PyErr_SetObject(PyExc_SyntaxError, args);
    }
}

/* The cookie of one line: start and length of the codec's name, or 0. *blank: whether a
 * cookie may still follow on the next line. */
static size_t
find_cookie(const char *line, const char *end, const char **out, bool *blank)
{
    const char *p = line;
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\f')) {
        p++;
    }
    *blank = p == end || *p == '#';
    if (p == end || *p != '#') {
        return 0;
    }
    for (; p + 6 < end; p++) {
        if (memcmp(p, "coding", 6) == 0 && (p[6] == ':' || p[6] == '=')) {
            const char *q = p + 7;
            while (q < end && (*q == ' ' || *q == '\t')) {
                q++;
            }
            const char *name = q;
            while (q < end
                   && (Py_ISALNUM((unsigned char)*q) || *q == '-' || *q == '_'
                       || *q == '.')) {
                q++;
            }
            if (q > name) {
                *out = name;
                return (size_t)(q - name);
            }
        }
    }
    return 0;
}

/* The name in the spelling that decides whether it is UTF-8 or Latin-1. */
static void
normal_encoding(const char *name, size_t len, char *out, size_t size)
{
    char low[13];
    size_t n = len < 12 ? len : 12;
    for (size_t i = 0; i < n; i++) {
        low[i] = name[i] == '_' ? '-' : Py_TOLOWER((unsigned char)name[i]);
    }
    low[n] = 0;
    if (strcmp(low, "utf-8") == 0 || strncmp(low, "utf-8-", 6) == 0) {
        strcpy(out, "utf-8");
    }
    else if (strcmp(low, "latin-1") == 0 || strcmp(low, "iso-8859-1") == 0
             || strcmp(low, "iso-latin-1") == 0 || strncmp(low, "latin-1-", 8) == 0
             || strncmp(low, "iso-8859-1-", 11) == 0
             || strncmp(low, "iso-latin-1-", 12) == 0) {
        strcpy(out, "iso-8859-1");
    }
    else {
        size_t k = len < size - 1 ? len : size - 1;
        memcpy(out, name, k);
        out[k] = 0;
    }
}

static const char *
line_end(const char *p, const char *end)
{
    while (p < end && *p != '\n' && *p != '\r') {
        p++;
    }
    return p;
}

/* Copies with newlines made \n; frees nothing. */
static char *
copy_text(const char *s, Py_ssize_t n, bool add_newline, Py_ssize_t *out_size)
{
    char *buf = PyMem_Malloc((size_t)n + 2);
    if (!buf) {
        PyErr_NoMemory();
        return NULL;
    }
    char *out = buf;
    const char *end = s + n;
    while (s < end) {
        const char *cr = memchr(s, '\r', (size_t)(end - s));
        size_t k = (size_t)((cr ? cr : end) - s);
        memcpy(out, s, k);
        out += k;
        s += k;
        if (cr) {
            *out++ = '\n';
            s++;
            if (s < end && *s == '\n') {
                s++;
            }
        }
    }
    if (add_newline && out > buf && out[-1] != '\n') {
        *out++ = '\n';
    }
    *out = 0;
    *out_size = out - buf;
    return buf;
}

typedef struct NjCookie {
    bool bom;
    char encoding[100];
    const char *line, *eol; /* the line that decided */
    int lineno;
} NjCookie;

static void
find_encoding(const char *text, Py_ssize_t size, NjCookie *c)
{
    const char *end = text + size;
    c->bom = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    if (c->bom) {
        text += 3;
    }
    const char *name = NULL;
    bool blank;
    c->line = text;
    c->lineno = 1;
    c->eol = line_end(text, end);
    size_t len = find_cookie(text, c->eol, &name, &blank);
    if (!len && blank && c->eol < end) {
        c->line = c->eol + (*c->eol == '\r' && c->eol + 1 < end && c->eol[1] == '\n' ? 2 : 1);
        c->eol = line_end(c->line, end);
        c->lineno = 2;
        len = find_cookie(c->line, c->eol, &name, &blank);
    }
    strcpy(c->encoding, "utf-8");
    if (len) {
        normal_encoding(name, len, c->encoding, sizeof c->encoding);
    }
}

PyObject *
nj_source_line(const char *text, Py_ssize_t size, int lineno, const char *encoding)
{
    NjCookie c;
    find_encoding(text, size, &c);
    const char *p = text + (c.bom ? 3 : 0), *end = text + size;
    for (int i = 1; i < lineno && p < end; i++) {
        p = line_end(p, end);
        p += p < end && *p == '\r' && p + 1 < end && p[1] == '\n' ? 2 : p < end;
    }
    if (p >= end) {
        return NULL;
    }
    const char *eol = line_end(p, end);
    NJ_OWN line = PyUnicode_Decode(p, eol - p, encoding ? encoding : c.encoding, "replace");
    NJ_OWN nl = line && eol < end ? PyUnicode_FromOrdinal('\n') : NULL;
    return !nl ? NJ_TAKE(line) : PyUnicode_Concat(line, nl);
}

char *
nj_source_decode(const char *text, Py_ssize_t size, int flags, bool add_newline,
                 PyObject *filename, Py_ssize_t *out_size)
{
    if (flags & PyCF_IGNORE_COOKIE) {
        return copy_text(text, size, add_newline, out_size);
    }
    if (memchr(text, 0, (size_t)size)) {
        raise_null_byte(text, size, filename);
        return NULL;
    }
    NjCookie c;
    find_encoding(text, size, &c);
    if (c.bom) {
        text += 3;
        size -= 3;
    }
    if (strcmp(c.encoding, "utf-8") == 0) {
        Py_ssize_t bad = find_bad_utf8((const unsigned char *)text, size);
        if (bad >= 0) {
            raise_bad_utf8(text, size, bad, filename, (flags & NJ_CF_FILE) != 0);
            return NULL;
        }
        return copy_text(text, size, add_newline, out_size);
    }
    if (c.bom) {
        NJ_OWN msg = PyUnicode_FromFormat("encoding problem: %s with BOM", c.encoding);
        NJ_OWN shown = PyUnicode_DecodeUTF8(c.line, c.eol - c.line, "replace");
        if (msg && shown) {
            NJ_OWN args = Py_BuildValue("(O(OiiOin))", msg, filename ? filename : Py_None,
                                        c.lineno, 0, shown, c.lineno,
                                        PyUnicode_GET_LENGTH(shown));
            if (args) {
                PyErr_SetObject(PyExc_SyntaxError, args);
            }
        }
        return NULL;
    }
    NJ_OWN decoded = PyUnicode_Decode(text, size, c.encoding, NULL);
    if (!decoded) {
        if (PyErr_ExceptionMatches(PyExc_LookupError)
            || PyErr_ExceptionMatches(PyExc_UnicodeError)) {
            bool unknown = PyErr_ExceptionMatches(PyExc_LookupError);
            NJ_OWN exc = PyErr_GetRaisedException();
            NJ_OWN msg = PyObject_Str(exc);
            if (msg && unknown) {
                NJ_OWN prefix = PyUnicode_FromString("unknown encoding");
                if (!prefix) {
                    return NULL;
                }
                if (PyUnicode_Tailmatch(msg, prefix, 0, PY_SSIZE_T_MAX, -1) == 1) {
                    NJ_SET(msg, PyUnicode_FromFormat("unknown encoding: %s", c.encoding));
                }
            }
            if (msg) {
                raise_without_position(msg, filename);
            }
        }
        return NULL;
    }
    Py_ssize_t n;
    const char *utf8 = PyUnicode_AsUTF8AndSize(decoded, &n);
    if (!utf8) {
        return NULL;
    }
    if (n >= 3 && memcmp(utf8, "\xef\xbb\xbf", 3) == 0) {
        utf8 += 3;
        n -= 3;
    }
    return copy_text(utf8, n, add_newline, out_size);
}

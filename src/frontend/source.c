/* source.c - from the bytes of a source file to the text that the lexer reads.
 *
 * The text is UTF-8 without BOM, newlines are \n, and (for whole files) it ends with
 * one. A coding cookie in the first two lines, or a BOM, chooses the codec; without
 * either the bytes must be UTF-8. What fails here is a SyntaxError.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

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
raise_bad_utf8(const char *s, Py_ssize_t n, Py_ssize_t bad, PyObject *filename)
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
    NJ_OWN msg = PyUnicode_FromFormat("Non-UTF-8 code starting with '\\x%s' on line %d, "
                                      "but no encoding declared; see "
                                      "https://peps.python.org/pep-0263/ for details",
                                      hex, lineno);
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

char *
nj_source_decode(const char *text, Py_ssize_t size, bool is_utf8, bool add_newline,
                 PyObject *filename, Py_ssize_t *out_size)
{
    if (is_utf8) {
        return copy_text(text, size, add_newline, out_size);
    }
    bool bom = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    if (bom) {
        text += 3;
        size -= 3;
    }
    const char *end = text + size;
    const char *name = NULL;
    bool blank;
    const char *eol = line_end(text, end);
    size_t len = find_cookie(text, eol, &name, &blank);
    int cookie_line = 1;
    const char *line = text;
    if (!len && blank && eol < end) {
        line = eol + (*eol == '\r' && eol + 1 < end && eol[1] == '\n' ? 2 : 1);
        eol = line_end(line, end);
        len = find_cookie(line, eol, &name, &blank);
        cookie_line = 2;
    }
    char encoding[100] = "utf-8";
    if (len) {
        normal_encoding(name, len, encoding, sizeof encoding);
    }
    if (strcmp(encoding, "utf-8") == 0) {
        Py_ssize_t bad = find_bad_utf8((const unsigned char *)text, size);
        if (bad >= 0) {
            raise_bad_utf8(text, size, bad, filename);
            return NULL;
        }
        return copy_text(text, size, add_newline, out_size);
    }
    if (bom) {
        NJ_OWN msg = PyUnicode_FromFormat("encoding problem: %s with BOM", encoding);
        NJ_OWN shown = PyUnicode_DecodeUTF8(line, eol - line, "replace");
        if (msg && shown) {
            NJ_OWN args = Py_BuildValue("(O(OiiOin))", msg, filename ? filename : Py_None,
                                        cookie_line, 0, shown, cookie_line,
                                        PyUnicode_GET_LENGTH(shown));
            if (args) {
                PyErr_SetObject(PyExc_SyntaxError, args);
            }
        }
        return NULL;
    }
    NJ_OWN decoded = PyUnicode_Decode(text, size, encoding, NULL);
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
                    NJ_SET(msg, PyUnicode_FromFormat("unknown encoding: %s", encoding));
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

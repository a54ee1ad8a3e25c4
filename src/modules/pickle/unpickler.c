/* unpickler.c - _pickle.Unpickler: a stream of opcodes to objects.
 *
 * The input is one buffer at a time: the argument of loads(), or what read(), readline()
 * or peek() of the file returned last. Peeked data is read for good (skipped) before the
 * file is used again and when a load ends. A frame, once begun, is wholly in the buffer;
 * input_len is its end then, and nothing that begins inside may go beyond. The stack has a fence at the last MARK, below
 * which only the opcodes that end a MARK may take items.
 * SPDX-License-Identifier: MIT
 */
#include "pickle_int.h"

#include "capi/args.h"
#include "objects/list_int.h"
#include "objects/tuple_int.h"

typedef struct Unpickler {
    PyObject_HEAD
    PyObject **stack;
    Py_ssize_t top, stack_size;
    Py_ssize_t fence;
    PyObject **memo;
    size_t memo_size, memo_len;
    PyObject *persistent_load; /* what load() calls, or NULL */
    PyObject *persistent_load_attr;
    Py_buffer buffer;
    Py_ssize_t input_len, next, prefetched;
    char *line; /* the last line of text, NUL-terminated */
    Py_ssize_t line_len;
    PyObject *read, *readline, *readinto, *peek, *buffers;
    char *encoding, *errors;
    Py_ssize_t *marks;
    int marks_len, marks_size;
    PickleState *st;
    int proto;
    bool fix_imports, running, in_frame;
    bool marked; /* the fence is a mark */
} Unpickler;

#define INPUT(u) ((const char *)(u)->buffer.buf)

#define UNPICKLER(op) ((Unpickler *)(op))

/* sys.getsizeof() counts from the size of the structure; see test_pickle. */
static_assert(sizeof(Unpickler) == 296, "not the size of the reference's");

enum { MEMO_MIN = 32, STACK_MIN = 8 };

static PyObject *unpickler_persistent_load(PyObject *op, PyObject *pid);

/* ---- memo ---------------------------------------------------------------------------- */

static int
memo_resize(Unpickler *u, size_t n)
{
    if (n > PY_SSIZE_T_MAX / sizeof(PyObject *)) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject **memo = PyMem_Realloc(u->memo, n * sizeof(PyObject *));
    if (memo == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memset(memo + u->memo_size, 0, (n - u->memo_size) * sizeof(PyObject *));
    u->memo = memo;
    u->memo_size = n;
    return 0;
}

static inline int
memo_put(Unpickler *u, size_t i, PyObject *value)
{
    if (NJ_UNLIKELY(i >= u->memo_size) &&
        (i > SIZE_MAX / 2 ? (PyErr_NoMemory(), -1) : memo_resize(u, i * 2)) < 0) {
        return -1;
    }
    PyObject *old = u->memo[i];
    u->memo[i] = Py_NewRef(value);
    if (old) {
        Py_DECREF(old);
    }
    else {
        u->memo_len++;
    }
    return 0;
}

static void
memo_free(PyObject **memo, size_t size)
{
    for (size_t i = size; memo && i-- > 0;) {
        Py_XDECREF(memo[i]);
    }
    PyMem_Free(memo);
}

/* ---- stack --------------------------------------------------------------------------- */

static NJ_COLD int
underflow(Unpickler *u)
{
    PyErr_SetString(u->st->unpickling_error, u->marked ? "unexpected MARK found"
                                                       : "unpickling stack underflow");
    return -1;
}

static NJ_COLD int
grow_stack(Unpickler *u)
{
    Py_ssize_t n = u->stack_size ? u->stack_size + u->stack_size / 2 : STACK_MIN;
    PyObject **stack = (size_t)n > PY_SSIZE_T_MAX / sizeof(PyObject *)
                           ? NULL
                           : PyMem_Realloc(u->stack, (size_t)n * sizeof(PyObject *));
    if (stack == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    u->stack = stack;
    u->stack_size = n;
    return 0;
}

static inline int
push(Unpickler *u, PyObject *NJ_STEALS o)
{
    if (o == NULL) {
        return -1;
    }
    if (NJ_UNLIKELY(u->top == u->stack_size) && grow_stack(u) < 0) {
        Py_DECREF(o);
        return -1;
    }
    u->stack[u->top++] = o;
    return 0;
}

static inline PyObject *
pop(Unpickler *u)
{
    if (NJ_UNLIKELY(u->top <= u->fence)) {
        (void)underflow(u);
        return NULL;
    }
    return u->stack[--u->top];
}

/* Removes everything from index `from' on. */
static void
cut_stack(Unpickler *u, Py_ssize_t from)
{
    while (u->top > from) {
        PyObject *o = u->stack[--u->top];
        Py_DECREF(o);
    }
}

/* The items from index `from' on as a tuple; they leave the stack. */
static PyObject *
pop_tuple(Unpickler *u, Py_ssize_t from)
{
    Py_ssize_t n = u->top - from;
    if (from < u->fence) {
        (void)underflow(u);
        return NULL;
    }
    u->top = from;
    return nj_tuple_from_array_steal(u->stack + from, n);
}

static PyObject *
pop_list(Unpickler *u, Py_ssize_t from)
{
    Py_ssize_t n = u->top - from;
    PyObject *list = PyList_New(n);
    if (list == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyList_SET_ITEM(list, i, u->stack[from + i]);
    }
    u->top = from;
    return list;
}

static int
push_mark(Unpickler *u)
{
    if (u->marks_len == u->marks_size) {
        int n = 2 * u->marks_size + 20;
        Py_ssize_t *marks =
            n > INT_MAX / 4 ? NULL
                            : PyMem_Realloc(u->marks, (size_t)n * sizeof(Py_ssize_t));
        if (marks == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        u->marks = marks;
        u->marks_size = n;
    }
    u->marked = true;
    u->fence = u->marks[u->marks_len++] = u->top;
    return 0;
}

/* Takes the last mark away; returns its position, or -1 with an exception. */
static Py_ssize_t
pop_mark(Unpickler *u)
{
    if (u->marks_len < 1) {
        PyErr_SetString(u->st->unpickling_error, "could not find MARK");
        return -1;
    }
    Py_ssize_t mark = u->marks[--u->marks_len];
    u->marked = u->marks_len > 0;
    u->fence = u->marked ? u->marks[u->marks_len - 1] : 0;
    return mark;
}

/* ---- input --------------------------------------------------------------------------- */

static NJ_COLD int
truncated(Unpickler *u)
{
    PyErr_SetString(u->st->unpickling_error, "pickle data was truncated");
    return -1;
}

static void
drop_buffer(Unpickler *u)
{
    if (u->buffer.buf) {
        PyBuffer_Release(&u->buffer);
    }
    u->buffer.buf = NULL;
    u->input_len = u->next = u->prefetched = 0;
    u->in_frame = false;
}

/* At the end of the input, which may only be that of a frame: 0, or -1 with an exception
 * if something is left of the frame, but too little. */
static int
leave_frame(Unpickler *u)
{
    if (u->next < u->input_len) {
        PyErr_SetString(u->st->unpickling_error, "pickle exhausted before end of frame");
        return -1;
    }
    u->in_frame = false;
    u->input_len = u->buffer.len;
    return 0;
}

static int
use_buffer(Unpickler *u, PyObject *data)
{
    drop_buffer(u);
    if (PyObject_GetBuffer(data, &u->buffer, PyBUF_CONTIG_RO) < 0) {
        u->buffer.buf = NULL;
        return -1;
    }
    u->prefetched = u->input_len = u->buffer.len;
    u->next = 0;
    return 0;
}

/* Reads what has only been peeked so far. */
static int
skip_consumed(Unpickler *u)
{
    Py_ssize_t n = u->next - u->prefetched;
    if (n <= 0) {
        return 0;
    }
    NJ_OWN size = PyLong_FromSsize_t(n);
    NJ_OWN r = size ? PyObject_CallOneArg(u->read, size) : NULL;
    if (r == NULL) {
        return -1;
    }
    u->prefetched = u->next;
    return 0;
}

/* Fills the buffer from the file, by n bytes or (n < 0) one line; at least n bytes only
 * if the file has them. */
static int
fill(Unpickler *u, Py_ssize_t n)
{
    if (skip_consumed(u) < 0) {
        return -1;
    }
    NJ_OWN data = NULL;
    if (n < 0) {
        data = PyObject_CallNoArgs(u->readline);
        return data ? use_buffer(u, data) : -1;
    }
    if (u->peek && n < PREFETCH) {
        NJ_OWN size = PyLong_FromLong(PREFETCH);
        data = size ? PyObject_CallOneArg(u->peek, size) : NULL;
        if (data == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_NotImplementedError)) {
                return -1;
            }
            PyErr_Clear(); /* it has one in name only */
            Py_CLEAR(u->peek);
        }
        else {
            if (use_buffer(u, data) < 0) {
                return -1;
            }
            u->prefetched = 0;
            if (n <= u->input_len) {
                return 0;
            }
        }
    }
    NJ_OWN size = PyLong_FromSsize_t(n);
    NJ_SET(data, size ? PyObject_CallOneArg(u->read, size) : NULL);
    return data ? use_buffer(u, data) : -1;
}

static NJ_COLD const char *
take_slow(Unpickler *u, Py_ssize_t n)
{
    if (u->in_frame) {
        if (leave_frame(u) < 0) {
            return NULL;
        }
        if (n <= u->input_len - u->next) {
            u->next += n;
            return INPUT(u) + u->next - n;
        }
    }
    if (u->read == NULL) {
        (void)truncated(u);
        return NULL;
    }
    if (fill(u, n) < 0) {
        return NULL;
    }
    if (u->input_len < n) {
        (void)truncated(u);
        return NULL;
    }
    u->next = n;
    return INPUT(u);
}

/* The next n bytes; they stay valid until the next call. */
static inline const char *
take(Unpickler *u, Py_ssize_t n)
{
    if (NJ_LIKELY(n <= u->input_len - u->next)) {
        const char *s = INPUT(u) + u->next;
        u->next += n;
        return s;
    }
    return take_slow(u, n);
}

/* The next opcode, -1 with EOFError at the end. */
static inline int
take_opcode(Unpickler *u)
{
    if (NJ_LIKELY(u->next < u->input_len)) {
        return (unsigned char)INPUT(u)[u->next++];
    }
    if (u->in_frame) {
        (void)leave_frame(u);
    }
    if (u->next >= u->input_len && u->read && fill(u, 1) < 0) {
        return -1;
    }
    if (u->next >= u->input_len) {
        PyErr_SetString(PyExc_EOFError, "Ran out of input");
        return -1;
    }
    return (unsigned char)INPUT(u)[u->next++];
}

/* n bytes into a place of the caller's. */
static int
take_into(Unpickler *u, char *to, Py_ssize_t n)
{
    if (n > u->input_len - u->next && u->in_frame && leave_frame(u) < 0) {
        return -1;
    }
    Py_ssize_t there = u->input_len - u->next;
    if (there > 0) {
        Py_ssize_t k = there < n ? there : n;
        memcpy(to, INPUT(u) + u->next, (size_t)k);
        u->next += k;
        to += k;
        n -= k;
    }
    if (n == 0) {
        return 0;
    }
    if (u->read == NULL) {
        return truncated(u);
    }
    if (skip_consumed(u) < 0) {
        return -1;
    }
    if (u->readinto == NULL) {
        NJ_OWN size = PyLong_FromSsize_t(n);
        NJ_OWN data = size ? PyObject_CallOneArg(u->read, size) : NULL;
        NJ_OWN_BUF view = {0};
        if (data == NULL || PyObject_GetBuffer(data, &view, PyBUF_CONTIG_RO) < 0) {
            return -1;
        }
        if (view.len < n) {
            return truncated(u);
        }
        memcpy(to, view.buf, (size_t)n);
        return 0;
    }
    NJ_OWN memory = PyMemoryView_FromMemory(to, n, PyBUF_WRITE);
    NJ_OWN r = memory ? PyObject_CallOneArg(u->readinto, memory) : NULL;
    if (r == NULL) {
        return -1;
    }
    Py_ssize_t got = PyLong_AsSsize_t(r);
    if (got < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "readinto() returned negative size");
        }
        return -1;
    }
    return got < n ? truncated(u) : 0;
}

/* The next line, in u->line, with its line feed: the length, or -1. */
static Py_ssize_t
take_line(Unpickler *u)
{
    Py_ssize_t left = u->input_len - u->next;
    const char *s = INPUT(u) + u->next;
    const char *end = left > 0 ? memchr(s, '\n', (size_t)left) : NULL;
    if (end == NULL && u->in_frame) {
        if (leave_frame(u) < 0) {
            return -1;
        }
        left = u->input_len - u->next;
        end = left > 0 ? memchr(s, '\n', (size_t)left) : NULL;
    }
    if (end == NULL) {
        if (u->read == NULL) {
            return truncated(u);
        }
        if (fill(u, -1) < 0) {
            return -1;
        }
        s = INPUT(u);
        if (u->input_len == 0 || s[u->input_len - 1] != '\n') {
            return truncated(u);
        }
        end = s + u->input_len - 1;
    }
    Py_ssize_t n = end + 1 - s;
    char *line = PyMem_Realloc(u->line, (size_t)n + 1);
    if (line == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(line, s, (size_t)n);
    line[n] = '\0';
    u->line = line;
    u->line_len = n;
    u->next = s + n - INPUT(u);
    return n;
}

/* A line that may not be empty. */
static Py_ssize_t
take_full_line(Unpickler *u)
{
    Py_ssize_t n = take_line(u);
    return n == 1 ? truncated(u) : n;
}

/* n is 1, 2, 4 or 8, and a constant where this is used. */
NJ_INLINE uint64_t
load_le(const char *s, int n)
{
    uint64_t v = 0;
    memcpy(&v, s, (size_t)n);
    return v;
}

/* A size in nbytes bytes that fits into Py_ssize_t; what for the message. */
NJ_INLINE Py_ssize_t
take_size(Unpickler *u, int nbytes, const char *what)
{
    const char *s = take(u, nbytes);
    if (s == NULL) {
        return -1;
    }
    uint64_t v = load_le(s, nbytes);
    if (v > PY_SSIZE_T_MAX) {
        PyErr_Format(PyExc_OverflowError, "%s of %zd bytes", what, PY_SSIZE_T_MAX);
        return -1;
    }
    return (Py_ssize_t)v;
}

/* ---- numbers ------------------------------------------------------------------------- */

static int
load_int(Unpickler *u)
{
    Py_ssize_t n = take_full_line(u);
    if (n < 0) {
        return -1;
    }
    errno = 0;
    char *end;
    long v = strtol(u->line, &end, 10);
    if (errno == 0 && (*end == '\n' || *end == '\0') && end != u->line) {
        if (n == 3 && u->line[0] == '0' && (v == 0 || v == 1)) {
            return push(u, PyBool_FromLong(v)); /* 00 and 01 */
        }
        return push(u, PyLong_FromLong(v));
    }
    PyObject *o = PyLong_FromString(u->line, NULL, 10);
    if (o == NULL) {
        PyErr_SetString(PyExc_ValueError, "could not convert string to int");
    }
    return push(u, o);
}

static int
load_long(Unpickler *u)
{
    Py_ssize_t n = take_full_line(u);
    if (n < 0) {
        return -1;
    }
    if (u->line[n - 2] == 'L') {
        u->line[n - 2] = '\0';
    }
    return push(u, PyLong_FromString(u->line, NULL, 10));
}

NJ_INLINE int
load_binint(Unpickler *u, int nbytes)
{
    const char *s = take(u, nbytes);
    if (s == NULL) {
        return -1;
    }
    uint64_t v = load_le(s, nbytes);
    return push(u, PyLong_FromLong(nbytes == 4 ? (long)(int32_t)v : (long)v));
}

NJ_INLINE int
load_counted_long(Unpickler *u, int nbytes)
{
    const char *s = take(u, nbytes);
    if (s == NULL) {
        return -1;
    }
    int32_t n = (int32_t)load_le(s, nbytes);
    if (n < 0) {
        PyErr_SetString(u->st->unpickling_error, "LONG pickle has negative byte count");
        return -1;
    }
    s = take(u, n);
    if (s == NULL) {
        return -1;
    }
    return push(u, n ? _PyLong_FromByteArray((const unsigned char *)s, (size_t)n, 1, 1)
                     : PyLong_FromLong(0));
}

static int
load_float(Unpickler *u)
{
    if (take_full_line(u) < 0) {
        return -1;
    }
    errno = 0;
    char *end;
    double d = PyOS_string_to_double(u->line, &end, PyExc_OverflowError);
    if (d == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (*end != '\n' && *end != '\0') {
        PyErr_SetString(PyExc_ValueError, "could not convert string to float");
        return -1;
    }
    return push(u, PyFloat_FromDouble(d));
}

static int
load_binfloat(Unpickler *u)
{
    const char *s = take(u, 8);
    if (s == NULL) {
        return -1;
    }
    uint64_t bits = __builtin_bswap64(load_le(s, 8));
    double d;
    memcpy(&d, &bits, 8);
    return push(u, PyFloat_FromDouble(d));
}

/* ---- text and bytes ------------------------------------------------------------------ */

/* A str of Python 2. */
static PyObject *
decode_string(Unpickler *u, const char *s, Py_ssize_t n)
{
    return strcmp(u->encoding, "bytes") == 0 ? PyBytes_FromStringAndSize(s, n)
                                             : PyUnicode_Decode(s, n, u->encoding, u->errors);
}

static int
load_string(Unpickler *u)
{
    Py_ssize_t n = take_line(u);
    if (n < 0) {
        return -1;
    }
    char *s = u->line;
    n--;
    if (n < 2 || s[0] != s[n - 1] || (s[0] != '"' && s[0] != '\'')) {
        PyErr_SetString(u->st->unpickling_error,
                        "the STRING opcode argument must be quoted");
        return -1;
    }
    NJ_OWN bytes = PyBytes_DecodeEscape(s + 1, n - 2, NULL, 0, NULL);
    return bytes ? push(u, decode_string(u, PyBytes_AS_STRING(bytes),
                                         PyBytes_GET_SIZE(bytes)))
                 : -1;
}

NJ_INLINE int
load_counted_string(Unpickler *u, int nbytes)
{
    const char *s = take(u, nbytes);
    if (s == NULL) {
        return -1;
    }
    Py_ssize_t n = nbytes == 4 ? (int32_t)load_le(s, 4) : (Py_ssize_t)load_le(s, nbytes);
    if (n < 0) {
        PyErr_SetString(u->st->unpickling_error,
                        "BINSTRING pickle has negative byte count");
        return -1;
    }
    s = take(u, n);
    return s ? push(u, decode_string(u, s, n)) : -1;
}

static int
load_unicode(Unpickler *u)
{
    Py_ssize_t n = take_line(u);
    return n < 0 ? -1 : push(u, PyUnicode_DecodeRawUnicodeEscape(u->line, n - 1, NULL));
}

/* Text is mostly short and ASCII. */
static PyObject *
decode_utf8(const char *s, Py_ssize_t n)
{
    uint64_t high = 0, word;
    Py_ssize_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&word, s + i, 8);
        high |= word;
    }
    for (; i < n; i++) {
        high |= (unsigned char)s[i];
    }
    if (n < 2 || (high & UINT64_C(0x8080808080808080))) {
        return PyUnicode_DecodeUTF8(s, n, "surrogatepass");
    }
    PyObject *o = PyUnicode_New(n, 127);
    if (o) {
        memcpy(PyUnicode_DATA(o), s, (size_t)n);
    }
    return o;
}

NJ_INLINE int
load_counted_unicode(Unpickler *u, int nbytes)
{
    Py_ssize_t n = take_size(u, nbytes, "BINUNICODE exceeds system's maximum size");
    const char *s = n < 0 ? NULL : take(u, n);
    return s ? push(u, decode_utf8(s, n)) : -1;
}

NJ_INLINE int
load_counted_bytes(Unpickler *u, int nbytes)
{
    Py_ssize_t n = take_size(u, nbytes, "BINBYTES exceeds system's maximum size");
    if (n < 0) {
        return -1;
    }
    /* A size that the input cannot have is no reason to allocate it. */
    if (u->read == NULL && n > u->buffer.len - u->next) {
        return truncated(u);
    }
    if (NJ_LIKELY(n <= u->input_len - u->next)) {
        u->next += n;
        return push(u, PyBytes_FromStringAndSize(INPUT(u) + u->next - n, n));
    }
    PyObject *b = PyBytes_FromStringAndSize(NULL, n);
    if (b && take_into(u, PyBytes_AS_STRING(b), n) < 0) {
        Py_CLEAR(b);
    }
    return push(u, b);
}

static int
load_counted_bytearray(Unpickler *u)
{
    Py_ssize_t n = take_size(u, 8, "BYTEARRAY8 exceeds system's maximum size");
    if (n < 0) {
        return -1;
    }
    if (u->read == NULL && n > u->buffer.len - u->next) {
        return truncated(u);
    }
    PyObject *b = PyByteArray_FromStringAndSize(NULL, n);
    if (b && take_into(u, PyByteArray_AS_STRING(b), n) < 0) {
        Py_CLEAR(b);
    }
    return push(u, b);
}

static int
load_next_buffer(Unpickler *u)
{
    if (u->buffers == NULL) {
        PyErr_SetString(u->st->unpickling_error, "pickle stream refers to out-of-band data "
                                                 "but no *buffers* argument was given");
        return -1;
    }
    PyObject *b = PyIter_Next(u->buffers);
    if (b == NULL && !PyErr_Occurred()) {
        PyErr_SetString(u->st->unpickling_error, "not enough out-of-band buffers");
    }
    return push(u, b);
}

static int
load_readonly_buffer(Unpickler *u)
{
    if (u->top <= u->fence) {
        return underflow(u);
    }
    PyObject *b = u->stack[u->top - 1];
    NJ_OWN view = PyMemoryView_FromObject(b);
    if (view == NULL) {
        return -1;
    }
    if (!PyMemoryView_GET_BUFFER(view)->readonly) {
        PyObject *ro = PyObject_CallMethodNoArgs(view, NJ_ID(toreadonly));
        if (ro == NULL) {
            return -1;
        }
        u->stack[u->top - 1] = ro;
        Py_DECREF(b);
    }
    return 0;
}

/* ---- containers ---------------------------------------------------------------------- */

static int
load_tuple(Unpickler *u, Py_ssize_t n)
{
    if (u->top - u->fence < n) {
        return underflow(u);
    }
    return push(u, pop_tuple(u, u->top - n));
}

static int
load_marked_tuple(Unpickler *u)
{
    Py_ssize_t from = pop_mark(u);
    return from < 0 ? -1 : push(u, pop_tuple(u, from));
}

static int
load_list(Unpickler *u)
{
    Py_ssize_t from = pop_mark(u);
    return from < 0 ? -1 : push(u, pop_list(u, from));
}

static int
set_pairs(PyObject *dict, PyObject **items, Py_ssize_t n)
{
    bool exact = PyDict_CheckExact(dict);
    for (Py_ssize_t i = 0; i < n; i += 2) {
        if ((exact ? PyDict_SetItem(dict, items[i], items[i + 1])
                   : PyObject_SetItem(dict, items[i], items[i + 1])) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
load_dict(Unpickler *u)
{
    Py_ssize_t from = pop_mark(u);
    if (from < 0) {
        return -1;
    }
    if ((u->top - from) % 2) {
        PyErr_SetString(u->st->unpickling_error, "odd number of items for DICT");
        return -1;
    }
    PyObject *dict = PyDict_New();
    if (dict && set_pairs(dict, u->stack + from, u->top - from) < 0) {
        Py_CLEAR(dict);
    }
    if (dict) {
        cut_stack(u, from);
    }
    return push(u, dict);
}

static int
load_frozenset(Unpickler *u)
{
    Py_ssize_t from = pop_mark(u);
    NJ_OWN items = from < 0 ? NULL : pop_tuple(u, from);
    return items ? push(u, PyFrozenSet_New(items)) : -1;
}

/* Appends everything from index `from' on to the list below. */
static int
do_append(Unpickler *u, Py_ssize_t from)
{
    if (from > u->top || from <= u->fence) {
        return underflow(u);
    }
    if (from == u->top) {
        return 0;
    }
    PyObject *list = u->stack[from - 1];
    if (PyList_CheckExact(list)) {
        Py_ssize_t n = u->top - from;
        if (n == 1) {
            return nj_list_append_steal((PyListObject *)list, u->stack[--u->top]);
        }
        Py_ssize_t end = PyList_GET_SIZE(list);
        if (nj_list_resize((PyListObject *)list, end + n) < 0) {
            return -1;
        }
        memcpy(((PyListObject *)list)->ob_item + end, u->stack + from,
               (size_t)n * sizeof(PyObject *));
        u->top = from;
        return 0;
    }
    NJ_OWN func = NULL;
    if (PyObject_GetOptionalAttr(list, NJ_ID(extend), &func) < 0) {
        return -1;
    }
    if (func) {
        NJ_OWN items = pop_list(u, from);
        NJ_OWN r = items ? PyObject_CallOneArg(func, items) : NULL;
        return r ? 0 : -1;
    }
    func = PyObject_GetAttr(list, NJ_ID(append));
    if (func == NULL) {
        return -1;
    }
    for (Py_ssize_t i = from; i < u->top; i++) {
        NJ_OWN r = PyObject_CallOneArg(func, u->stack[i]);
        if (r == NULL) {
            return -1;
        }
    }
    cut_stack(u, from);
    return 0;
}

static int
load_appends(Unpickler *u)
{
    Py_ssize_t from = pop_mark(u);
    return from < 0 ? -1 : do_append(u, from);
}

static int
do_setitems(Unpickler *u, Py_ssize_t from)
{
    if (from > u->top || from <= u->fence) {
        return underflow(u);
    }
    if (from == u->top) {
        return 0;
    }
    if ((u->top - from) % 2) {
        PyErr_SetString(u->st->unpickling_error, "odd number of items for SETITEMS");
        return -1;
    }
    int r = set_pairs(u->stack[from - 1], u->stack + from, u->top - from);
    cut_stack(u, from);
    return r;
}

static int
load_setitems(Unpickler *u)
{
    Py_ssize_t from = pop_mark(u);
    return from < 0 ? -1 : do_setitems(u, from);
}

static int
load_additems(Unpickler *u)
{
    Py_ssize_t from = pop_mark(u);
    if (from < 0) {
        return -1;
    }
    if (from > u->top || from <= u->fence) {
        return underflow(u);
    }
    if (from == u->top) {
        return 0;
    }
    PyObject *set = u->stack[from - 1];
    if (PySet_Check(set)) {
        int r = 0;
        for (Py_ssize_t i = from; r == 0 && i < u->top; i++) {
            r = PySet_Add(set, u->stack[i]);
        }
        cut_stack(u, from);
        return r;
    }
    NJ_OWN add = PyObject_GetAttr(set, NJ_ID(add));
    if (add == NULL) {
        return -1;
    }
    for (Py_ssize_t i = from; i < u->top; i++) {
        NJ_OWN r = PyObject_CallOneArg(add, u->stack[i]);
        if (r == NULL) {
            return -1;
        }
    }
    cut_stack(u, from);
    return 0;
}

/* ---- globals ------------------------------------------------------------------------- */

static int
map_names(Unpickler *u, PyObject **module_name, PyObject **name)
{
    PickleState *st = u->st;
    NJ_OWN key = PyTuple_Pack(2, *module_name, *name);
    NJ_OWN item = NULL;
    if (key == NULL || PyDict_GetItemRef(st->name_mapping, key, &item) < 0) {
        return -1;
    }
    if (item) {
        if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2 ||
            !PyUnicode_Check(PyTuple_GET_ITEM(item, 0)) ||
            !PyUnicode_Check(PyTuple_GET_ITEM(item, 1))) {
            PyErr_Format(PyExc_RuntimeError,
                         "_compat_pickle.NAME_MAPPING values should be pairs of str, not %R",
                         item);
            return -1;
        }
        NJ_SET(*module_name, Py_NewRef(PyTuple_GET_ITEM(item, 0)));
        NJ_SET(*name, Py_NewRef(PyTuple_GET_ITEM(item, 1)));
        return 0;
    }
    if (PyDict_GetItemRef(st->import_mapping, *module_name, &item) < 0) {
        return -1;
    }
    if (item) {
        if (!PyUnicode_Check(item)) {
            PyErr_Format(PyExc_RuntimeError,
                         "_compat_pickle.IMPORT_MAPPING values should be strings, not %T",
                         item);
            return -1;
        }
        NJ_SET(*module_name, NJ_TAKE(item));
    }
    return 0;
}

/* module.a.b for a dotted name of protocol 4. */
static PyObject *
find_dotted(PyObject *module, PyObject *module_name, PyObject *name)
{
    NJ_OWN dot = PyUnicode_FromOrdinal('.');
    NJ_OWN path = dot ? PyUnicode_Split(name, dot, -1) : NULL;
    PyObject *o = path ? nj_pickle_get_path(module, path) : NULL;
    if (o == NULL && path && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyObject *cause = PyErr_GetRaisedException();
        PyErr_Format(PyExc_AttributeError, "Can't resolve path %R on module %R", name,
                     module_name);
        PyObject *exc = PyErr_GetRaisedException();
        PyException_SetContext(exc, cause);
        PyErr_SetRaisedException(exc);
    }
    return o;
}

static PyObject *
find_class(Unpickler *u, PyObject *module_name, PyObject *name)
{
    if (PySys_Audit("pickle.find_class", "OO", module_name, name) < 0) {
        return NULL;
    }
    NJ_OWN m = Py_NewRef(module_name);
    NJ_OWN n = Py_NewRef(name);
    if (u->proto < 3 && u->fix_imports && map_names(u, &m, &n) < 0) {
        return NULL;
    }
    NJ_OWN module = PyImport_Import(m);
    if (module == NULL) {
        return NULL;
    }
    if (u->proto >= 4 && PyUnicode_Check(n) &&
        PyUnicode_FindChar(n, '.', 0, PyUnicode_GET_LENGTH(n), 1) >= 0) {
        return find_dotted(module, m, n);
    }
    return PyObject_GetAttr(module, n);
}

/* find_class(), which a subclass may have overridden. */
static PyObject *
call_find_class(Unpickler *u, PyObject *module_name, PyObject *name)
{
    if (Py_IS_TYPE(u, u->st->unpickler_type)) {
        return find_class(u, module_name, name);
    }
    return PyObject_CallMethodObjArgs((PyObject *)u, NJ_ID(find_class), module_name, name,
                                      NULL);
}

/* The two lines of GLOBAL and INST. */
static PyObject *
load_class(Unpickler *u, PyObject *(*decode)(const char *, Py_ssize_t, const char *))
{
    Py_ssize_t n = take_full_line(u);
    NJ_OWN module_name = n < 0 ? NULL : decode(u->line, n - 1, "strict");
    if (module_name == NULL) {
        return NULL;
    }
    n = take_full_line(u);
    NJ_OWN name = n < 0 ? NULL : decode(u->line, n - 1, "strict");
    return name ? call_find_class(u, module_name, name) : NULL;
}

static int
load_stack_global(Unpickler *u)
{
    NJ_OWN name = pop(u);
    NJ_OWN module_name = name ? pop(u) : NULL;
    if (module_name == NULL) {
        return -1;
    }
    if (!PyUnicode_CheckExact(name) || !PyUnicode_CheckExact(module_name)) {
        PyErr_SetString(u->st->unpickling_error, "STACK_GLOBAL requires str");
        return -1;
    }
    return push(u, call_find_class(u, module_name, name));
}

NJ_INLINE int
load_extension(Unpickler *u, int nbytes)
{
    const char *s = take(u, nbytes);
    if (s == NULL) {
        return -1;
    }
    PickleState *st = u->st;
    long code = (int32_t)load_le(s, nbytes);
    if (code <= 0) {
        PyErr_SetString(st->unpickling_error, "EXT specifies code <= 0");
        return -1;
    }
    NJ_OWN key = PyLong_FromLong(code);
    NJ_OWN obj = NULL;
    NJ_OWN pair = NULL;
    if (key == NULL || PyDict_GetItemRef(st->extension_cache, key, &obj) < 0) {
        return -1;
    }
    if (obj) {
        return push(u, NJ_TAKE(obj));
    }
    if (PyDict_GetItemRef(st->inverted_registry, key, &pair) < 0) {
        return -1;
    }
    if (pair == NULL) {
        PyErr_Format(PyExc_ValueError, "unregistered extension code %ld", code);
        return -1;
    }
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 ||
        !PyUnicode_Check(PyTuple_GET_ITEM(pair, 0)) ||
        !PyUnicode_Check(PyTuple_GET_ITEM(pair, 1))) {
        PyErr_Format(PyExc_ValueError, "_inverted_registry[%ld] isn't a 2-tuple of strings",
                     code);
        return -1;
    }
    obj = call_find_class(u, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
    if (obj == NULL || PyDict_SetItem(st->extension_cache, key, obj) < 0) {
        return -1;
    }
    return push(u, NJ_TAKE(obj));
}

/* ---- instances ----------------------------------------------------------------------- */

/* What INST and OBJ do with a class and its arguments. */
static PyObject *
instantiate(PyObject *cls, PyObject *args)
{
    if (PyTuple_GET_SIZE(args) == 0 && PyType_Check(cls)) {
        int r = PyObject_HasAttrWithError(cls, NJ_ID(__getinitargs__));
        if (r < 0) {
            return NULL;
        }
        if (r == 0) {
            return PyObject_CallMethodOneArg(cls, NJ_ID(__new__), cls);
        }
    }
    return PyObject_CallObject(cls, args);
}

static int
load_obj(Unpickler *u)
{
    Py_ssize_t from = pop_mark(u);
    if (from < 0) {
        return -1;
    }
    if (u->top - from < 1) {
        return underflow(u);
    }
    NJ_OWN args = pop_tuple(u, from + 1);
    NJ_OWN cls = args ? pop(u) : NULL;
    return cls ? push(u, instantiate(cls, args)) : -1;
}

static int
load_inst(Unpickler *u)
{
    Py_ssize_t from = pop_mark(u);
    if (from < 0) {
        return -1;
    }
    NJ_OWN cls = load_class(u, PyUnicode_DecodeASCII);
    NJ_OWN args = cls ? pop_tuple(u, from) : NULL;
    return args ? push(u, instantiate(cls, args)) : -1;
}

static int
load_newobj(Unpickler *u, bool ex)
{
    const char *op = ex ? "NEWOBJ_EX" : "NEWOBJ";
    NJ_OWN kwargs = ex ? pop(u) : NULL;
    if (ex && kwargs == NULL) {
        return -1;
    }
    NJ_OWN args = pop(u);
    NJ_OWN cls = args ? pop(u) : NULL;
    if (cls == NULL) {
        return -1;
    }
    PyObject *error = u->st->unpickling_error;
    if (!PyType_Check(cls)) {
        PyErr_Format(error, "%s class argument must be a type, not %T", op, cls);
        return -1;
    }
    PyTypeObject *tp = (PyTypeObject *)cls;
    if (tp->tp_new == NULL) {
        PyErr_Format(error, "%s class argument '%T' doesn't have __new__", op, cls);
        return -1;
    }
    if (!PyTuple_Check(args)) {
        PyErr_Format(error, "%s args argument must be a tuple, not %T", op, args);
        return -1;
    }
    if (ex && !PyDict_Check(kwargs)) {
        PyErr_Format(error, "%s kwargs argument must be a dict, not %T", op, kwargs);
        return -1;
    }
    return push(u, tp->tp_new(tp, args, kwargs));
}

static int
load_reduce(Unpickler *u)
{
    NJ_OWN args = pop(u);
    NJ_OWN func = args ? pop(u) : NULL;
    if (func == NULL) {
        return -1;
    }
    if (!PyTuple_Check(args)) {
        PyErr_SetString(PyExc_TypeError, "argument list must be a tuple");
        return -1;
    }
    return push(u, PyObject_CallObject(func, args));
}

/* The attributes of a state: names become interned, like those of the compiler. */
static int
set_dict_state(Unpickler *u, PyObject *inst, PyObject *state)
{
    if (!PyDict_Check(state)) {
        PyErr_SetString(u->st->unpickling_error, "state is not a dictionary");
        return -1;
    }
    NJ_OWN dict = PyObject_GetAttr(inst, NJ_ID(__dict__));
    if (dict == NULL) {
        return -1;
    }
    bool exact = PyDict_CheckExact(dict);
    Py_ssize_t pos = 0;
    for (PyObject *k, *v; PyDict_Next(state, &pos, &k, &v);) {
        Py_INCREF(k);
        if (PyUnicode_CheckExact(k)) {
            PyUnicode_InternInPlace(&k);
        }
        NJ_OWN key = k;
        NJ_OWN value = Py_NewRef(v);
        if ((exact ? PyDict_SetItem(dict, key, value) : PyObject_SetItem(dict, key, value)) <
            0) {
            return -1;
        }
    }
    return 0;
}

static int
set_slot_state(Unpickler *u, PyObject *inst, PyObject *state)
{
    if (!PyDict_Check(state)) {
        PyErr_SetString(u->st->unpickling_error, "slot state is not a dictionary");
        return -1;
    }
    Py_ssize_t pos = 0;
    for (PyObject *k, *v; PyDict_Next(state, &pos, &k, &v);) {
        NJ_OWN key = Py_NewRef(k);
        NJ_OWN value = Py_NewRef(v);
        if (PyObject_SetAttr(inst, key, value) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
load_build(Unpickler *u)
{
    if (u->top - 2 < u->fence) {
        return underflow(u);
    }
    NJ_OWN state = pop(u);
    NJ_OWN inst = Py_NewRef(u->stack[u->top - 1]);
    NJ_OWN setstate = NULL;
    if (PyObject_GetOptionalAttr(inst, NJ_ID(__setstate__), &setstate) < 0) {
        return -1;
    }
    if (setstate) {
        NJ_OWN r = PyObject_CallOneArg(setstate, state);
        return r ? 0 : -1;
    }
    NJ_OWN slots = NULL;
    if (PyTuple_Check(state) && PyTuple_GET_SIZE(state) == 2) {
        slots = Py_NewRef(PyTuple_GET_ITEM(state, 1));
        NJ_SET(state, Py_NewRef(PyTuple_GET_ITEM(state, 0)));
    }
    if (state != Py_None && set_dict_state(u, inst, state) < 0) {
        return -1;
    }
    return slots ? set_slot_state(u, inst, slots) : 0;
}

static int
load_persistent(Unpickler *u, PyObject *NJ_STEALS pid)
{
    if (pid == NULL) {
        return -1;
    }
    NJ_OWN own = pid;
    if (u->persistent_load == NULL) {
        return push(u, unpickler_persistent_load((PyObject *)u, own));
    }
    return push(u, PyObject_CallOneArg(u->persistent_load, own));
}

static int
load_persid(Unpickler *u)
{
    Py_ssize_t n = take_line(u);
    if (n < 0) {
        return -1;
    }
    PyObject *pid = PyUnicode_DecodeASCII(u->line, n - 1, "strict");
    if (pid == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_SetString(u->st->unpickling_error,
                        "persistent IDs in protocol 0 must be ASCII strings");
    }
    return load_persistent(u, pid);
}

/* ---- stack and memo opcodes ---------------------------------------------------------- */

static int
load_pop(Unpickler *u)
{
    /* A mark that stands on top is popped; it is no item of the stack. */
    if (u->marks_len > 0 && u->marks[u->marks_len - 1] == u->top) {
        return pop_mark(u) < 0 ? -1 : 0;
    }
    PyObject *o = pop(u);
    Py_XDECREF(o);
    return o ? 0 : -1;
}

static int
load_pop_mark(Unpickler *u)
{
    Py_ssize_t from = pop_mark(u);
    if (from < 0) {
        return -1;
    }
    cut_stack(u, from);
    return 0;
}

static int
load_dup(Unpickler *u)
{
    return u->top <= u->fence ? underflow(u) : push(u, Py_NewRef(u->stack[u->top - 1]));
}

static NJ_COLD int
memo_missing(Unpickler *u, PyObject *i)
{
    if (i) {
        PyErr_Format(u->st->unpickling_error, "Memo value not found at index %S", i);
    }
    return -1;
}

static inline int
do_get(Unpickler *u, size_t i)
{
    if (NJ_UNLIKELY(i >= u->memo_size || u->memo[i] == NULL)) {
        NJ_OWN index = PyLong_FromSize_t(i);
        return memo_missing(u, index);
    }
    return push(u, Py_NewRef(u->memo[i]));
}

static int
load_get(Unpickler *u)
{
    if (take_full_line(u) < 0) {
        return -1;
    }
    NJ_OWN key = PyLong_FromString(u->line, NULL, 10);
    if (key == NULL) {
        return -1;
    }
    Py_ssize_t i = PyLong_AsSsize_t(key);
    if (i == -1 && PyErr_Occurred()) {
        return -1;
    }
    return i < 0 ? memo_missing(u, key) : do_get(u, (size_t)i);
}

NJ_INLINE int
load_binget(Unpickler *u, int nbytes)
{
    const char *s = take(u, nbytes);
    return s ? do_get(u, load_le(s, nbytes)) : -1;
}

static int
load_put(Unpickler *u)
{
    if (take_full_line(u) < 0) {
        return -1;
    }
    if (u->top <= u->fence) {
        return underflow(u);
    }
    NJ_OWN key = PyLong_FromString(u->line, NULL, 10);
    if (key == NULL) {
        return -1;
    }
    Py_ssize_t i = PyLong_AsSsize_t(key);
    if (i < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "negative PUT argument");
        }
        return -1;
    }
    return memo_put(u, (size_t)i, u->stack[u->top - 1]);
}

NJ_INLINE int
load_binput(Unpickler *u, int nbytes)
{
    const char *s = take(u, nbytes);
    if (s == NULL) {
        return -1;
    }
    size_t i = load_le(s, nbytes);
    return u->top <= u->fence ? underflow(u) : memo_put(u, i, u->stack[u->top - 1]);
}

static inline int
load_memoize(Unpickler *u)
{
    return u->top <= u->fence ? underflow(u)
                              : memo_put(u, u->memo_len, u->stack[u->top - 1]);
}

static int
load_proto(Unpickler *u)
{
    const char *s = take(u, 1);
    if (s == NULL) {
        return -1;
    }
    int proto = (unsigned char)s[0];
    if (proto > HIGHEST_PROTOCOL) {
        PyErr_Format(PyExc_ValueError, "unsupported pickle protocol: %d", proto);
        return -1;
    }
    u->proto = proto;
    return 0;
}

static int
load_frame(Unpickler *u)
{
    Py_ssize_t n = take_size(u, 8, "FRAME length exceeds system's maximum");
    if (n < 0) {
        return -1;
    }
    if (u->in_frame && u->next < u->input_len) {
        PyErr_SetString(u->st->unpickling_error,
                        "beginning of a new frame before end of current frame");
        return -1;
    }
    if (take(u, n) == NULL) {
        return -1;
    }
    u->input_len = u->next;
    u->next -= n; /* it is in the buffer now */
    u->in_frame = true;
    return 0;
}

static NJ_COLD int
raise_opcode(Unpickler *u, int op)
{
    if (op >= 0x20 && op <= 0x7e && op != '\'' && op != '\\') {
        PyErr_Format(u->st->unpickling_error, "invalid load key, '%c'.", op);
    }
    else {
        PyErr_Format(u->st->unpickling_error, "invalid load key, '\\x%02x'.", op);
    }
    return -1;
}

/* ---- the loop ------------------------------------------------------------------------ */

/* Runs the opcodes up to STOP. */
static int
run(Unpickler *u)
{
    for (;;) {
        int op = take_opcode(u), r;
        switch (op) {
        case -1: return -1;
        case OP_STOP: return 0;
        case OP_NONE: r = push(u, Py_None); break;
        case OP_NEWTRUE: r = push(u, Py_True); break;
        case OP_NEWFALSE: r = push(u, Py_False); break;
        case OP_BININT: r = load_binint(u, 4); break;
        case OP_BININT1: r = load_binint(u, 1); break;
        case OP_BININT2: r = load_binint(u, 2); break;
        case OP_INT: r = load_int(u); break;
        case OP_LONG: r = load_long(u); break;
        case OP_LONG1: r = load_counted_long(u, 1); break;
        case OP_LONG4: r = load_counted_long(u, 4); break;
        case OP_FLOAT: r = load_float(u); break;
        case OP_BINFLOAT: r = load_binfloat(u); break;
        case OP_SHORT_BINBYTES: r = load_counted_bytes(u, 1); break;
        case OP_BINBYTES: r = load_counted_bytes(u, 4); break;
        case OP_BINBYTES8: r = load_counted_bytes(u, 8); break;
        case OP_BYTEARRAY8: r = load_counted_bytearray(u); break;
        case OP_NEXT_BUFFER: r = load_next_buffer(u); break;
        case OP_READONLY_BUFFER: r = load_readonly_buffer(u); break;
        case OP_SHORT_BINSTRING: r = load_counted_string(u, 1); break;
        case OP_BINSTRING: r = load_counted_string(u, 4); break;
        case OP_STRING: r = load_string(u); break;
        case OP_UNICODE: r = load_unicode(u); break;
        case OP_SHORT_BINUNICODE: r = load_counted_unicode(u, 1); break;
        case OP_BINUNICODE: r = load_counted_unicode(u, 4); break;
        case OP_BINUNICODE8: r = load_counted_unicode(u, 8); break;
        case OP_EMPTY_TUPLE: r = push(u, PyTuple_New(0)); break;
        case OP_TUPLE1: r = load_tuple(u, 1); break;
        case OP_TUPLE2: r = load_tuple(u, 2); break;
        case OP_TUPLE3: r = load_tuple(u, 3); break;
        case OP_TUPLE: r = load_marked_tuple(u); break;
        case OP_EMPTY_LIST: r = push(u, PyList_New(0)); break;
        case OP_LIST: r = load_list(u); break;
        case OP_EMPTY_DICT: r = push(u, PyDict_New()); break;
        case OP_DICT: r = load_dict(u); break;
        case OP_EMPTY_SET: r = push(u, PySet_New(NULL)); break;
        case OP_ADDITEMS: r = load_additems(u); break;
        case OP_FROZENSET: r = load_frozenset(u); break;
        case OP_OBJ: r = load_obj(u); break;
        case OP_INST: r = load_inst(u); break;
        case OP_NEWOBJ: r = load_newobj(u, false); break;
        case OP_NEWOBJ_EX: r = load_newobj(u, true); break;
        case OP_GLOBAL: r = push(u, load_class(u, PyUnicode_DecodeUTF8)); break;
        case OP_STACK_GLOBAL: r = load_stack_global(u); break;
        case OP_APPEND: r = do_append(u, u->top - 1); break;
        case OP_APPENDS: r = load_appends(u); break;
        case OP_BUILD: r = load_build(u); break;
        case OP_DUP: r = load_dup(u); break;
        case OP_BINGET: r = load_binget(u, 1); break;
        case OP_LONG_BINGET: r = load_binget(u, 4); break;
        case OP_GET: r = load_get(u); break;
        case OP_MARK: r = push_mark(u); break;
        case OP_BINPUT: r = load_binput(u, 1); break;
        case OP_LONG_BINPUT: r = load_binput(u, 4); break;
        case OP_PUT: r = load_put(u); break;
        case OP_MEMOIZE: r = load_memoize(u); break;
        case OP_POP: r = load_pop(u); break;
        case OP_POP_MARK: r = load_pop_mark(u); break;
        case OP_SETITEM: r = do_setitems(u, u->top - 2); break;
        case OP_SETITEMS: r = load_setitems(u); break;
        case OP_PERSID: r = load_persid(u); break;
        case OP_BINPERSID: r = load_persistent(u, pop(u)); break;
        case OP_REDUCE: r = load_reduce(u); break;
        case OP_PROTO: r = load_proto(u); break;
        case OP_FRAME: r = load_frame(u); break;
        case OP_EXT1: r = load_extension(u, 1); break;
        case OP_EXT2: r = load_extension(u, 2); break;
        case OP_EXT4: r = load_extension(u, 4); break;
        default: r = raise_opcode(u, op); break;
        }
        if (NJ_UNLIKELY(r < 0)) {
            return -1;
        }
    }
}

static int
find_hooks(Unpickler *u)
{
    Py_CLEAR(u->persistent_load);
    if (u->persistent_load_attr == NULL && Py_IS_TYPE(u, u->st->unpickler_type)) {
        return 0;
    }
    PyObject *f = PyObject_GetAttr((PyObject *)u, NJ_ID(persistent_load));
    if (f == NULL) {
        return -1;
    }
    if (PyCFunction_Check(f) && PyCFunction_GET_FUNCTION(f) == unpickler_persistent_load) {
        Py_CLEAR(f);
    }
    u->persistent_load = f;
    return 0;
}

static PyObject *
load(Unpickler *u)
{
    u->marked = false;
    u->fence = u->marks_len = 0;
    u->proto = 0;
    cut_stack(u, 0);
    if (find_hooks(u) < 0) {
        return NULL;
    }
    u->running = true;
    int r = run(u);
    u->running = false;
    Py_CLEAR(u->persistent_load);
    if (u->in_frame) {
        u->in_frame = false;
        u->input_len = u->buffer.len;
    }
    if (r < 0 || (u->read && skip_consumed(u) < 0)) {
        return NULL;
    }
    return pop(u);
}

/* ---- the type ------------------------------------------------------------------------ */

static int
set_file(Unpickler *u, PyObject *file)
{
    if (PyObject_GetOptionalAttr(file, NJ_ID(peek), &u->peek) < 0 ||
        PyObject_GetOptionalAttr(file, NJ_ID(readinto), &u->readinto) < 0 ||
        PyObject_GetOptionalAttr(file, NJ_ID(read), &u->read) < 0 ||
        PyObject_GetOptionalAttr(file, NJ_ID(readline), &u->readline) < 0) {
        return -1;
    }
    if (!u->readline || !u->read) {
        PyErr_SetString(PyExc_TypeError, "file must have 'read' and 'readline' attributes");
        return -1;
    }
    return 0;
}

static char *
copy_text(const char *s)
{
    size_t n = strlen(s) + 1;
    char *t = PyMem_Malloc(n);
    if (t == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    return memcpy(t, s, n);
}

static int
set_options(Unpickler *u, int fix_imports, const char *encoding, const char *errors,
            PyObject *buffers)
{
    u->fix_imports = fix_imports;
    if (!(u->encoding = copy_text(encoding)) || !(u->errors = copy_text(errors))) {
        return -1;
    }
    if (buffers && buffers != Py_None && !(u->buffers = PyObject_GetIter(buffers))) {
        return -1;
    }
    return memo_resize(u, MEMO_MIN);
}

PyObject *
nj_pickle_load(PickleState *st, PyObject *file, PyObject *data, int fix_imports,
               const char *encoding, const char *errors, PyObject *buffers)
{
    Unpickler *u = PyObject_GC_New(Unpickler, st->unpickler_type);
    if (u == NULL) {
        return NULL;
    }
    memset((char *)u + sizeof(PyObject), 0, sizeof(Unpickler) - sizeof(PyObject));
    u->st = st;
    PyObject *r = NULL;
    if ((file == NULL || set_file(u, file) == 0) &&
        set_options(u, fix_imports, encoding, errors, buffers) == 0 &&
        (data == NULL || use_buffer(u, data) == 0)) {
        r = load(u);
    }
    /* nobody else knows the object, and the collector was never told of it */
    PyObject_GC_Track(u);
    Py_DECREF(u);
    return r;
}

static NJ_COLD void
raise_running(void)
{
    PyErr_SetString(PyExc_RuntimeError, "Unpickler object is already used");
}

static PyObject *
unpickler_load(PyObject *op, PyObject *unused)
{
    Unpickler *u = UNPICKLER(op);
    if (u->read == NULL) {
        PyErr_Format(pickle_state(Py_TYPE(op))->unpickling_error,
                     "Unpickler.__init__() was not called by %s.__init__()",
                     Py_TYPE(op)->tp_name);
        return NULL;
    }
    if (u->running) {
        raise_running();
        return NULL;
    }
    return load(u);
}

static PyObject *
unpickler_find_class(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Unpickler *u = UNPICKLER(op);
    if (!_PyArg_CheckPositional("find_class", nargs, 2, 2)) {
        return NULL;
    }
    if (u->st == NULL) {
        u->st = pickle_state(Py_TYPE(op)); /* __init__() was not called */
    }
    return find_class(u, args[0], args[1]);
}

static PyObject *
unpickler_persistent_load(PyObject *op, PyObject *pid)
{
    PyErr_SetString(pickle_state(Py_TYPE(op))->unpickling_error,
                    "A load persistent id instruction was encountered, but no "
                    "persistent_load function was specified.");
    return NULL;
}

static PyObject *
unpickler_sizeof(PyObject *op, PyObject *unused)
{
    Unpickler *u = UNPICKLER(op);
    size_t n = (size_t)Py_TYPE(op)->tp_basicsize;
    n += u->memo_size * sizeof(PyObject *) + (size_t)u->marks_size * sizeof(Py_ssize_t);
    if (u->line) {
        n += (size_t)u->line_len + 1;
    }
    if (u->encoding) {
        n += strlen(u->encoding) + 1;
    }
    if (u->errors) {
        n += strlen(u->errors) + 1;
    }
    return PyLong_FromSize_t(n);
}

static PyMethodDef unpickler_methods[] = {
    {"load", unpickler_load, METH_NOARGS,
     "load($self, /)\n--\n\n"
     "Read a pickle from the file and return the object."},
    {"find_class", _PyCFunction_CAST(unpickler_find_class), METH_FASTCALL,
     "find_class($self, module_name, global_name, /)\n--\n\n"
     "Return a global of a module, which is imported if need be.\n\n"
     "Every class and function in a pickle is looked up through this method, so a\n"
     "subclass can restrict what a pickle may name."},
    {"persistent_load", unpickler_persistent_load, METH_O,
     "persistent_load($self, pid, /)\n--\n\n"},
    {"__sizeof__", unpickler_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nThe size in memory, in bytes."},
    {NULL, NULL, 0, NULL},
};

static int
unpickler_traverse(PyObject *op, visitproc visit, void *arg)
{
    Unpickler *u = UNPICKLER(op);
    Py_VISIT(Py_TYPE(op));
    for (Py_ssize_t i = 0; i < u->top; i++) {
        Py_VISIT(u->stack[i]);
    }
    for (size_t i = 0; i < u->memo_size; i++) {
        Py_VISIT(u->memo[i]);
    }
    Py_VISIT(u->persistent_load);
    Py_VISIT(u->persistent_load_attr);
    Py_VISIT(u->read);
    Py_VISIT(u->readline);
    Py_VISIT(u->readinto);
    Py_VISIT(u->peek);
    Py_VISIT(u->buffers);
    return 0;
}

static int
unpickler_clear(PyObject *op)
{
    Unpickler *u = UNPICKLER(op);
    Py_CLEAR(u->persistent_load);
    Py_CLEAR(u->persistent_load_attr);
    Py_CLEAR(u->read);
    Py_CLEAR(u->readline);
    Py_CLEAR(u->readinto);
    Py_CLEAR(u->peek);
    Py_CLEAR(u->buffers);
    drop_buffer(u);
    cut_stack(u, 0);
    PyObject **memo = u->memo;
    size_t n = u->memo_size;
    u->memo = NULL;
    u->memo_size = u->memo_len = 0;
    memo_free(memo, n);
    PyMem_Free(u->marks);
    u->marks = NULL;
    u->marks_len = u->marks_size = 0;
    PyMem_Free(u->line);
    PyMem_Free(u->encoding);
    PyMem_Free(u->errors);
    u->line = u->encoding = u->errors = NULL;
    return 0;
}

static void
unpickler_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)unpickler_clear(op);
    PyMem_Free(UNPICKLER(op)->stack);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static int
unpickler_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"file",   "fix_imports", "encoding",
                                        "errors", "buffers",     NULL};
    static const NjParams params = {"Unpickler", names, 1, 1, 0};
    Unpickler *u = UNPICKLER(op);
    PyObject *a[5];
    const char *encoding, *errors;
    if (nj_args_bind_tuple(&params, args, kwargs, a) < 0) {
        return -1;
    }
    int fix_imports = a[1] ? PyObject_IsTrue(a[1]) : 1;
    if (fix_imports < 0 ||
        nj_pickle_text_arg("Unpickler", "encoding", a[2], "ASCII", &encoding) < 0 ||
        nj_pickle_text_arg("Unpickler", "errors", a[3], "strict", &errors) < 0) {
        return -1;
    }
    if (u->running) {
        raise_running();
        return -1;
    }
    (void)unpickler_clear(op);
    u->st = pickle_state(Py_TYPE(op));
    if (set_file(u, a[0]) < 0) {
        Py_CLEAR(u->read); /* load() must not run */
        return -1;
    }
    u->proto = 0;
    return set_options(u, fix_imports, encoding, errors, a[4]);
}

static bool
is_persistent_load(PyObject *name)
{
    return name == NJ_ID(persistent_load) ||
           (PyUnicode_Check(name) && PyUnicode_EqualToUTF8(name, "persistent_load"));
}

static PyObject *
unpickler_getattro(PyObject *op, PyObject *name)
{
    if (UNPICKLER(op)->persistent_load_attr && is_persistent_load(name)) {
        return Py_NewRef(UNPICKLER(op)->persistent_load_attr);
    }
    return PyObject_GenericGetAttr(op, name);
}

static int
unpickler_setattro(PyObject *op, PyObject *name, PyObject *value)
{
    if (is_persistent_load(name)) {
        NJ_SET(UNPICKLER(op)->persistent_load_attr, Py_XNewRef(value));
        return 0;
    }
    return PyObject_GenericSetAttr(op, name, value);
}

/* ---- the memo attribute -------------------------------------------------------------- */

typedef struct MemoProxy {
    PyObject_HEAD
    Unpickler *unpickler;
} MemoProxy;

#define PROXY(op) ((MemoProxy *)(op))

static PyObject *
unpickler_get_memo(PyObject *op, void *closure)
{
    PickleState *st = pickle_state(Py_TYPE(op));
    MemoProxy *proxy = PyObject_GC_New(MemoProxy, st->unpickler_memo_type);
    if (proxy) {
        proxy->unpickler = UNPICKLER(Py_NewRef(op));
        PyObject_GC_Track(proxy);
    }
    return (PyObject *)proxy;
}

/* {index: object}, into an unpickler that has nothing but a memo. */
static int
memo_from_dict(Unpickler *u, PyObject *dict)
{
    Py_ssize_t pos = 0;
    for (PyObject *key, *value; PyDict_Next(dict, &pos, &key, &value);) {
        if (!PyLong_Check(key)) {
            PyErr_SetString(PyExc_TypeError, "memo key must be integers");
            return -1;
        }
        Py_ssize_t i = PyLong_AsSsize_t(key);
        if (i < 0) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_ValueError, "memo key must be positive integers.");
            }
            return -1;
        }
        if (memo_put(u, (size_t)i, value) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
memo_from_unpickler(Unpickler *u, const Unpickler *from)
{
    for (size_t i = 0; i < from->memo_size; i++) {
        if (from->memo[i] && memo_put(u, i, from->memo[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
unpickler_set_memo(PyObject *op, PyObject *value, void *closure)
{
    PickleState *st = pickle_state(Py_TYPE(op));
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "attribute deletion is not supported");
        return -1;
    }
    Unpickler tmp = {0};
    int r;
    if (memo_resize(&tmp, MEMO_MIN) < 0) {
        return -1;
    }
    if (Py_IS_TYPE(value, st->unpickler_memo_type)) {
        r = memo_from_unpickler(&tmp, PROXY(value)->unpickler);
    }
    else if (PyDict_Check(value)) {
        r = memo_from_dict(&tmp, value);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "'memo' attribute must be an UnpicklerMemoProxy object or dict, not "
                     "%.200s",
                     Py_TYPE(value)->tp_name);
        r = -1;
    }
    if (r == 0) {
        Unpickler *u = UNPICKLER(op), old = *u;
        u->memo = tmp.memo;
        u->memo_size = tmp.memo_size;
        u->memo_len = tmp.memo_len;
        tmp.memo = old.memo;
        tmp.memo_size = old.memo_size;
    }
    memo_free(tmp.memo, tmp.memo_size);
    return r;
}

static PyObject *
proxy_clear_method(PyObject *op, PyObject *unused)
{
    Unpickler *u = PROXY(op)->unpickler;
    PyObject **memo = u->memo;
    size_t n = u->memo_size;
    u->memo = NULL;
    u->memo_size = u->memo_len = 0;
    memo_free(memo, n);
    if (memo_resize(u, MEMO_MIN) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
proxy_copy(PyObject *op, PyObject *unused)
{
    const Unpickler *u = PROXY(op)->unpickler;
    NJ_OWN dict = PyDict_New();
    for (size_t i = 0; dict && i < u->memo_size; i++) {
        if (u->memo[i]) {
            NJ_OWN key = PyLong_FromSize_t(i);
            if (key == NULL || PyDict_SetItem(dict, key, u->memo[i]) < 0) {
                return NULL;
            }
        }
    }
    return NJ_TAKE(dict);
}

static PyObject *
proxy_reduce(PyObject *op, PyObject *unused)
{
    NJ_OWN dict = proxy_copy(op, NULL);
    return dict ? Py_BuildValue("O(O)", &PyDict_Type, dict) : NULL;
}

static PyMethodDef proxy_methods[] = {
    {"clear", proxy_clear_method, METH_NOARGS,
     "clear($self, /)\n--\n\nRemove all items from memo."},
    {"copy", proxy_copy, METH_NOARGS,
     "copy($self, /)\n--\n\nCopy the memo to a new object."},
    {"__reduce__", proxy_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nImplement pickling support."},
    {NULL, NULL, 0, NULL},
};

static int
proxy_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(PROXY(op)->unpickler);
    return 0;
}

static int
proxy_clear(PyObject *op)
{
    Py_CLEAR(PROXY(op)->unpickler);
    return 0;
}

static void
proxy_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)proxy_clear(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyType_Slot proxy_slots[] = {
    {Py_tp_dealloc, proxy_dealloc},
    {Py_tp_traverse, proxy_traverse},
    {Py_tp_clear, proxy_clear},
    {Py_tp_methods, proxy_methods},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {0, NULL},
};

PyType_Spec nj_unpickler_memo_spec = {
    .name = "_pickle.UnpicklerMemoProxy",
    .basicsize = sizeof(MemoProxy),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = proxy_slots,
};

static PyGetSetDef unpickler_getset[] = {
    {"memo", unpickler_get_memo, unpickler_set_memo, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(unpickler_doc,
"Unpickler(file, *, fix_imports=True, encoding='ASCII', errors='strict',\n"
"          buffers=())\n--\n\n"
"Reads pickles from a binary file.\n\n"
"The file needs a read() method that takes a size and a readline() method, both\n"
"returning bytes. The protocol is found in the data; what follows a pickle in the\n"
"file is left there.\n\n"
"For pickles of Python 2: fix_imports true maps old names to new ones, encoding\n"
"and errors tell how to decode its str objects; with the encoding 'bytes' they\n"
"stay bytes. Buffers gives the data that a buffer_callback kept out of the pickle.");

static PyType_Slot unpickler_slots[] = {
    {Py_tp_doc, (void *)unpickler_doc},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, unpickler_init},
    {Py_tp_dealloc, unpickler_dealloc},
    {Py_tp_traverse, unpickler_traverse},
    {Py_tp_clear, unpickler_clear},
    {Py_tp_getattro, unpickler_getattro},
    {Py_tp_setattro, unpickler_setattro},
    {Py_tp_methods, unpickler_methods},
    {Py_tp_getset, unpickler_getset},
    {0, NULL},
};

PyType_Spec nj_unpickler_spec = {
    .name = "_pickle.Unpickler",
    .basicsize = sizeof(Unpickler),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = unpickler_slots,
};

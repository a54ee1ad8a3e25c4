/* pickler.c - _pickle.Pickler: objects to a stream of opcodes.
 *
 * Output collects in a bytes object that grows; frames are begun lazily (make_room) and
 * get their header when they end. `limit' is where the next write has to look up: the
 * end of the buffer, or the present end of the data while a frame is still to be begun.
 * The memo maps the address of an object to its number and keeps the object alive, so
 * an object with one reference cannot be in it (FRESH).
 * SPDX-License-Identifier: MIT
 */
#include "pickle_int.h"

#include "capi/args.h"

typedef struct MemoEntry {
    PyObject *key;
    Py_ssize_t value;
} MemoEntry;

/* Open addressing, linear probing, at most two thirds full. */
typedef struct Memo {
    size_t mask;
    Py_ssize_t used;
    size_t shift;
    MemoEntry *table;
} Memo;

typedef struct Pickler {
    PyObject_HEAD
    Memo *memo;
    PyObject *persistent_id;      /* what dump() calls, or NULL */
    PyObject *persistent_id_attr; /* set on the instance */
    PyObject *dispatch_table;     /* NULL: that of copyreg */
    PyObject *reducer_override;
    PyObject *write; /* NULL: dumps() */
    PyObject *out;
    Py_ssize_t len, limit;
    int proto, bin, framing;
    Py_ssize_t frame_start; /* -1: no frame begun */
    PickleState *st;
    int fast, fast_nesting, fix_imports, running;
    PyObject *fast_memo;
    PyObject *buffer_callback;
} Pickler;

/* Flags of save(). */
enum {
    FRESH = 1,    /* surely not in the memo */
    IS_PID = 2, /* is itself a persistent id */
};

#define PICKLER(op) ((Pickler *)(op))

static NJ_MUST int save(Pickler *p, PyObject *obj, int flags);
static NJ_MUST int save_reduce(Pickler *p, PyObject *rv, PyObject *obj);
static PyObject *pickler_persistent_id(PyObject *op, PyObject *obj);

/* ---- memo ---------------------------------------------------------------------------- */

enum { MEMO_MIN = 8 };

static Memo *
memo_new(void)
{
    Memo *m = PyMem_New(Memo, 1);
    if (m == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    m->mask = MEMO_MIN - 1;
    m->shift = 64 - 3;
    m->used = 0;
    m->table = PyMem_Calloc(MEMO_MIN, sizeof(MemoEntry));
    if (m->table == NULL) {
        PyMem_Free(m);
        PyErr_NoMemory();
        return NULL;
    }
    return m;
}

static inline MemoEntry *
memo_find(const Memo *m, PyObject *key)
{
    size_t i = ((uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15)) >> m->shift;
    while (m->table[i].key && m->table[i].key != key) {
        i = (i + 1) & m->mask;
    }
    return &m->table[i];
}

/* The number of an object, or NULL. */
static inline Py_ssize_t *
memo_get(const Memo *m, PyObject *key)
{
    MemoEntry *e = memo_find(m, key);
    return e->key ? &e->value : NULL;
}

static NJ_COLD int
memo_grow(Memo *m)
{
    size_t want = (size_t)m->used * (m->used > 50000 ? 2 : 4);
    size_t n = MEMO_MIN, shift = 64 - 3;
    while (n < want) {
        n *= 2;
        shift--;
    }
    MemoEntry *old = m->table, *table = PyMem_Calloc(n, sizeof(MemoEntry));
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    size_t end = m->mask + 1;
    m->table = table;
    m->mask = n - 1;
    m->shift = shift;
    for (size_t i = 0; i < end; i++) {
        if (old[i].key) {
            *memo_find(m, old[i].key) = old[i];
        }
    }
    PyMem_Free(old);
    return 0;
}

static int
memo_set(Memo *m, PyObject *key, Py_ssize_t value)
{
    MemoEntry *e = memo_find(m, key);
    e->value = value;
    if (e->key) {
        return 0;
    }
    e->key = Py_NewRef(key);
    m->used++;
    return (size_t)m->used * 3 >= (m->mask + 1) * 2 ? memo_grow(m) : 0;
}

static void
memo_empty(Memo *m)
{
    for (size_t i = 0; m->used && i <= m->mask; i++) {
        if (m->table[i].key) {
            m->used--;
            Py_CLEAR(m->table[i].key);
        }
    }
    m->used = 0;
}

static void
memo_free(Memo *m)
{
    if (m) {
        memo_empty(m);
        PyMem_Free(m->table);
        PyMem_Free(m);
    }
}

/* ---- output -------------------------------------------------------------------------- */

static NJ_COLD int
make_room(Pickler *p, Py_ssize_t n)
{
    if (p->framing && p->frame_start < 0) {
        p->frame_start = p->len;
        p->len += FRAME_HEADER_SIZE;
    }
    if (n > PY_SSIZE_T_MAX / 4 - p->len) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t need = p->len + n;
    if (p->out == NULL) {
        p->out = PyBytes_FromStringAndSize(
            NULL, need > WRITE_BUFFER_SIZE ? need + need / 2 : WRITE_BUFFER_SIZE);
    }
    else if (need > PyBytes_GET_SIZE(p->out)) {
        (void)_PyBytes_Resize(&p->out, need + need / 2);
    }
    if (p->out == NULL) {
        p->len = p->limit = 0;
        return -1;
    }
    p->limit = PyBytes_GET_SIZE(p->out);
    return 0;
}

/* Room for the next n bytes, to be filled at once. */
static inline unsigned char *
reserve(Pickler *p, Py_ssize_t n)
{
    if (NJ_UNLIKELY(n > p->limit - p->len) && make_room(p, n) < 0) {
        return NULL;
    }
    unsigned char *s = (unsigned char *)PyBytes_AS_STRING(p->out) + p->len;
    p->len += n;
    return s;
}

static inline int
put_op(Pickler *p, int op)
{
    unsigned char *s = reserve(p, 1);
    if (s == NULL) {
        return -1;
    }
    *s = (unsigned char)op;
    return 0;
}

static inline void
store_le(unsigned char *s, uint64_t v, int n)
{
    memcpy(s, &v, (size_t)n);
}

/* An opcode with a little-endian argument of n bytes. */
static inline int
put_op_le(Pickler *p, int op, uint64_t v, int n)
{
    unsigned char *s = reserve(p, 1 + n);
    if (s == NULL) {
        return -1;
    }
    s[0] = (unsigned char)op;
    store_le(s + 1, v, n);
    return 0;
}

static int
put_bytes(Pickler *p, const void *data, Py_ssize_t n)
{
    unsigned char *s = reserve(p, n);
    if (s == NULL) {
        return -1;
    }
    memcpy(s, data, (size_t)n);
    return 0;
}

/* An opcode with one line of text. */
static int
put_line(Pickler *p, int op, const char *text, Py_ssize_t n)
{
    unsigned char *s = reserve(p, n + 2);
    if (s == NULL) {
        return -1;
    }
    s[0] = (unsigned char)op;
    memcpy(s + 1, text, (size_t)n);
    s[n + 1] = '\n';
    return 0;
}

static void
end_frame(Pickler *p)
{
    if (!p->framing || p->frame_start < 0) {
        return;
    }
    unsigned char *frame = (unsigned char *)PyBytes_AS_STRING(p->out) + p->frame_start;
    Py_ssize_t n = p->len - p->frame_start - FRAME_HEADER_SIZE;
    if (n >= FRAME_SIZE_MIN) {
        frame[0] = OP_FRAME;
        store_le(frame + 1, (uint64_t)n, 8);
    }
    else {
        memmove(frame, frame + FRAME_HEADER_SIZE, (size_t)n);
        p->len -= FRAME_HEADER_SIZE;
    }
    p->frame_start = -1;
    p->limit = p->len;
}

/* The output so far; the buffer is empty afterwards. */
static PyObject *
take_output(Pickler *p)
{
    PyObject *out = p->out;
    Py_ssize_t n = p->len;
    p->out = NULL;
    p->len = p->limit = 0;
    if (out && n >= PyBytes_GET_SIZE(out) / 2) {
        (void)_PyBytes_Resize(&out, n);
        return out;
    }
    PyObject *r = PyBytes_FromStringAndSize(out ? PyBytes_AS_STRING(out) : "", n);
    Py_XDECREF(out);
    return r;
}

static int
call_write(Pickler *p, PyObject *data)
{
    NJ_OWN r = PyObject_CallOneArg(p->write, data);
    return r ? 0 : -1;
}

static int
flush(Pickler *p)
{
    NJ_OWN data = take_output(p);
    return data ? call_write(p, data) : -1;
}

/* Called between opcodes: a frame that is long enough ends. */
static inline int
opcode_boundary(Pickler *p)
{
    if (NJ_LIKELY(!p->framing || p->frame_start < 0 ||
                  p->len - p->frame_start - FRAME_HEADER_SIZE < FRAME_SIZE_TARGET)) {
        return 0;
    }
    end_frame(p);
    return p->write ? flush(p) : 0;
}

/* A header and data. Much data is no part of a frame, and goes to the file as it is;
 * payload: an object to give to write() (NULL: make one). */
static int
put_counted(Pickler *p, const void *header, Py_ssize_t header_len, const char *data,
            Py_ssize_t n, PyObject *payload)
{
    if (n < FRAME_SIZE_TARGET) {
        unsigned char *s = reserve(p, header_len + n);
        if (s == NULL) {
            return -1;
        }
        memcpy(s, header, (size_t)header_len);
        memcpy(s + header_len, data, (size_t)n);
        return 0;
    }
    int framing = p->framing, r;
    end_frame(p);
    p->framing = 0;
    r = put_bytes(p, header, header_len);
    if (r == 0 && p->write) {
        NJ_OWN mem = payload ? Py_NewRef(payload) : PyBytes_FromStringAndSize(data, n);
        r = mem == NULL || flush(p) < 0 || call_write(p, mem) < 0 ? -1 : 0;
    }
    else if (r == 0) {
        r = put_bytes(p, data, n);
    }
    p->framing = framing;
    p->limit = p->len;
    return r;
}

/* ---- memo opcodes -------------------------------------------------------------------- */

static int
put_get(Pickler *p, Py_ssize_t i)
{
    if (!p->bin) {
        char text[24];
        return put_line(p, OP_GET, text, PyOS_snprintf(text, sizeof(text), "%zd", i));
    }
    if (i < 256) {
        return put_op_le(p, OP_BINGET, (uint64_t)i, 1);
    }
    if (i <= 0xffffffffL) {
        return put_op_le(p, OP_LONG_BINGET, (uint64_t)i, 4);
    }
    PyErr_SetString(p->st->pickling_error, "memo id too large for LONG_BINGET");
    return -1;
}

/* Gives obj a number, and has the unpickler do the same. */
static int
memoize(Pickler *p, PyObject *obj)
{
    if (p->fast) {
        return 0;
    }
    Py_ssize_t i = p->memo->used;
    if (memo_set(p->memo, obj, i) < 0) {
        return -1;
    }
    if (p->proto >= 4) {
        return put_op(p, OP_MEMOIZE);
    }
    if (!p->bin) {
        char text[24];
        return put_line(p, OP_PUT, text, PyOS_snprintf(text, sizeof(text), "%zd", i));
    }
    if (i < 256) {
        return put_op_le(p, OP_BINPUT, (uint64_t)i, 1);
    }
    if (i <= 0xffffffffL) {
        return put_op_le(p, OP_LONG_BINPUT, (uint64_t)i, 4);
    }
    PyErr_SetString(p->st->pickling_error, "memo id too large for LONG_BINPUT");
    return -1;
}

/* ---- numbers ------------------------------------------------------------------------- */

/* An int that needs more than 32 bits, as text or as little-endian bytes. */
static int
save_large_int(Pickler *p, PyObject *obj)
{
    if (p->proto < 2) {
        NJ_OWN repr = PyObject_Repr(obj);
        Py_ssize_t n;
        const char *s = repr ? PyUnicode_AsUTF8AndSize(repr, &n) : NULL;
        unsigned char *t = s ? reserve(p, n + 3) : NULL;
        if (t == NULL) {
            return -1;
        }
        t[0] = OP_LONG;
        memcpy(t + 1, s, (size_t)n);
        t[n + 1] = 'L';
        t[n + 2] = '\n';
        return 0;
    }
    int64_t bits = _PyLong_NumBits(obj);
    if (bits < 0) {
        return -1;
    }
    int64_t n = bits / 8 + 1;
    if (n > 0x7fffffff) {
        PyErr_SetString(PyExc_OverflowError, "int too large to pickle");
        return -1;
    }
    int head = n < 256 ? 2 : 5;
    Py_ssize_t before = p->len;
    unsigned char *s = reserve(p, head + n);
    if (s == NULL) {
        return -1;
    }
    Py_ssize_t start = p->len - head - n; /* behind a frame header, if one came in */
    if (_PyLong_AsByteArray((PyLongObject *)obj, s + head, (size_t)n, 1, 1, 1) < 0) {
        p->len = before;
        return -1;
    }
    int sign;
    /* -2**(8k-1) fits into k bytes, its bit length says k+1 */
    if (n > 1 && PyLong_GetSign(obj, &sign) == 0 && sign < 0 && s[head + n - 1] == 0xff &&
        (s[head + n - 2] & 0x80)) {
        n--;
    }
    if (head == 5 && n < 256) {
        memmove(s + 2, s + head, (size_t)n);
        head = 2;
    }
    s[0] = head == 2 ? OP_LONG1 : OP_LONG4;
    store_le(s + 1, (uint64_t)n, head - 1);
    p->len = start + head + n;
    return 0;
}

static int
save_int(Pickler *p, PyObject *obj)
{
    int overflow;
    long v = PyLong_AsLongAndOverflow(obj, &overflow);
    if (overflow || v > 0x7fffffffL || v < -0x80000000L) {
        return save_large_int(p, obj);
    }
    if (!p->bin) {
        char text[24];
        return put_line(p, OP_INT, text, PyOS_snprintf(text, sizeof(text), "%ld", v));
    }
    if (v >= 0 && v <= 0xff) {
        return put_op_le(p, OP_BININT1, (uint64_t)v, 1);
    }
    if (v >= 0 && v <= 0xffff) {
        return put_op_le(p, OP_BININT2, (uint64_t)v, 2);
    }
    return put_op_le(p, OP_BININT, (uint64_t)v, 4);
}

static int
save_bool(Pickler *p, PyObject *obj)
{
    if (p->proto >= 2) {
        return put_op(p, obj == Py_True ? OP_NEWTRUE : OP_NEWFALSE);
    }
    return put_line(p, OP_INT, obj == Py_True ? "01" : "00", 2);
}

static int
save_float(Pickler *p, PyObject *obj)
{
    double d = PyFloat_AS_DOUBLE(obj);
    if (p->bin) {
        uint64_t bits;
        memcpy(&bits, &d, 8);
        return put_op_le(p, OP_BINFLOAT, __builtin_bswap64(bits), 8);
    }
    char *s = PyOS_double_to_string(d, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    int r = s ? put_line(p, OP_FLOAT, s, (Py_ssize_t)strlen(s)) : -1;
    PyMem_Free(s);
    return r;
}

/* ---- text and bytes ------------------------------------------------------------------ */

/* Protocol 0: latin-1 with \u escapes, also for what would end a line somewhere. */
static int
put_escaped(Pickler *p, PyObject *obj)
{
    static const char hex[] = "0123456789abcdef";
    Py_ssize_t len = PyUnicode_GET_LENGTH(obj), n = 0;
    int kind = PyUnicode_KIND(obj);
    const void *data = PyUnicode_DATA(obj);
    for (int pass = 0;; pass++) {
        unsigned char *s = NULL;
        if (pass == 1) {
            s = n > PY_SSIZE_T_MAX / 8 ? NULL : reserve(p, n + 2);
            if (s == NULL) {
                return -1;
            }
            *s++ = OP_UNICODE;
        }
        for (Py_ssize_t i = 0; i < len; i++) {
            Py_UCS4 c = PyUnicode_READ(kind, data, i);
            int digits = c >= 0x10000 ? 8
                         : c >= 0x100 || c == '\\' || c == 0 || c == '\n' || c == '\r' ||
                                 c == 0x1a
                             ? 4
                             : 0;
            if (pass == 0) {
                n += digits ? digits + 2 : 1;
            }
            else if (digits) {
                *s++ = '\\';
                *s++ = digits == 8 ? 'U' : 'u';
                while (digits--) {
                    *s++ = (unsigned char)hex[(c >> (4 * digits)) & 15];
                }
            }
            else {
                *s++ = (unsigned char)c;
            }
        }
        if (pass == 1) {
            *s = '\n';
            return 0;
        }
    }
}

static int
put_utf8(Pickler *p, const char *s, Py_ssize_t n, PyObject *payload)
{
    unsigned char header[9];
    int len;
    if (n <= 0xff && p->proto >= 4) {
        header[0] = OP_SHORT_BINUNICODE;
        len = 2;
    }
    else if (n <= 0xffffffffL) {
        header[0] = OP_BINUNICODE;
        len = 5;
    }
    else if (p->proto >= 4) {
        header[0] = OP_BINUNICODE8;
        len = 9;
    }
    else {
        PyErr_SetString(PyExc_OverflowError, "serializing a string larger than 4 GiB "
                                             "requires pickle protocol 4 or higher");
        return -1;
    }
    store_le(header + 1, (uint64_t)n, len - 1);
    return put_counted(p, header, len, s, n, payload);
}

static int
save_str(Pickler *p, PyObject *obj)
{
    int r;
    if (!p->bin) {
        r = put_escaped(p, obj);
    }
    else if (PyUnicode_IS_COMPACT_ASCII(obj)) {
        r = put_utf8(p, PyUnicode_DATA(obj), PyUnicode_GET_LENGTH(obj), NULL);
    }
    else {
        Py_ssize_t n;
        const char *s = PyUnicode_AsUTF8AndSize(obj, &n);
        if (s) {
            r = put_utf8(p, s, n, NULL);
        }
        else {
            PyErr_Clear();
            NJ_OWN b = PyUnicode_AsEncodedString(obj, "utf-8", "surrogatepass");
            r = b ? put_utf8(p, PyBytes_AS_STRING(b), PyBytes_GET_SIZE(b), b) : -1;
        }
    }
    return r < 0 ? -1 : memoize(p, obj);
}

/* Pickles obj as func(*args): for types without an opcode in the protocol. */
static int
save_call(Pickler *p, PyObject *obj, PyObject *func, PyObject *NJ_STEALS args)
{
    if (args == NULL) {
        return -1;
    }
    NJ_OWN rv = PyTuple_Pack(2, func, args);
    Py_DECREF(args);
    return rv ? save_reduce(p, rv, obj) : -1;
}

static int
put_bytes_data(Pickler *p, const char *data, Py_ssize_t n, PyObject *payload)
{
    unsigned char header[9];
    int len;
    if (n <= 0xff) {
        header[0] = OP_SHORT_BINBYTES;
        len = 2;
    }
    else if (n <= 0xffffffffL) {
        header[0] = OP_BINBYTES;
        len = 5;
    }
    else if (p->proto >= 4) {
        header[0] = OP_BINBYTES8;
        len = 9;
    }
    else {
        PyErr_SetString(PyExc_OverflowError, "serializing a bytes object larger than 4 GiB "
                                             "requires pickle protocol 4 or higher");
        return -1;
    }
    store_le(header + 1, (uint64_t)n, len - 1);
    return put_counted(p, header, len, data, n, payload);
}

static int
put_bytearray_data(Pickler *p, const char *data, Py_ssize_t n, PyObject *payload)
{
    unsigned char header[9] = {OP_BYTEARRAY8};
    store_le(header + 1, (uint64_t)n, 8);
    return put_counted(p, header, 9, data, n, payload);
}

static int
save_bytes(Pickler *p, PyObject *obj)
{
    Py_ssize_t n = PyBytes_GET_SIZE(obj);
    if (p->proto >= 3) {
        return put_bytes_data(p, PyBytes_AS_STRING(obj), n, obj) < 0 ? -1
                                                                     : memoize(p, obj);
    }
    if (n == 0) {
        return save_call(p, obj, (PyObject *)&PyBytes_Type, PyTuple_New(0));
    }
    NJ_OWN text = PyUnicode_DecodeLatin1(PyBytes_AS_STRING(obj), n, "strict");
    return text ? save_call(p, obj, p->st->codecs_encode,
                            PyTuple_Pack(2, text, NJ_ID(latin1)))
                : -1;
}

static int
save_bytearray(Pickler *p, PyObject *obj)
{
    Py_ssize_t n = PyByteArray_GET_SIZE(obj);
    if (p->proto >= 5) {
        return put_bytearray_data(p, PyByteArray_AS_STRING(obj), n, obj) < 0
                   ? -1
                   : memoize(p, obj);
    }
    if (n == 0) {
        return save_call(p, obj, (PyObject *)&PyByteArray_Type, PyTuple_New(0));
    }
    NJ_OWN bytes = PyBytes_FromObject(obj);
    return bytes ? save_call(p, obj, (PyObject *)&PyByteArray_Type, PyTuple_Pack(1, bytes))
                 : -1;
}

static int
save_picklebuffer(Pickler *p, PyObject *obj)
{
    if (p->proto < 5) {
        PyErr_SetString(p->st->pickling_error,
                        "PickleBuffer can only be pickled with protocol >= 5");
        return -1;
    }
    /* a buffer of our own: the callback may release that of obj */
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(obj, &view, PyBUF_FULL_RO) < 0) {
        return -1;
    }
    if (view.suboffsets || !PyBuffer_IsContiguous(&view, 'A')) {
        PyErr_SetString(p->st->pickling_error, "PickleBuffer can not be pickled when "
                                               "pointing to a non-contiguous buffer");
        return -1;
    }
    int in_band = 1;
    if (p->buffer_callback) {
        NJ_OWN r = PyObject_CallOneArg(p->buffer_callback, obj);
        in_band = r ? PyObject_IsTrue(r) : -1;
        if (in_band < 0) {
            return -1;
        }
    }
    if (in_band) {
        int r = view.readonly ? put_bytes_data(p, view.buf, view.len, NULL)
                              : put_bytearray_data(p, view.buf, view.len, NULL);
        return r < 0 ? -1 : memoize(p, obj);
    }
    if (put_op(p, OP_NEXT_BUFFER) < 0) {
        return -1;
    }
    return view.readonly ? put_op(p, OP_READONLY_BUFFER) : 0;
}

/* ---- notes --------------------------------------------------------------------------- */

/* Adds a note to the exception that is set; returns -1. */
static NJ_COLD int
add_note(const char *format, ...)
{
    PyObject *exc = PyErr_GetRaisedException();
    va_list va;
    va_start(va, format);
    NJ_OWN text = PyUnicode_FromFormatV(format, va);
    va_end(va);
    NJ_OWN r = text ? PyObject_CallMethodOneArg(exc, NJ_ID(add_note), text) : NULL;
    if (r == NULL) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exc);
    return -1;
}

/* ---- containers ---------------------------------------------------------------------- */

/* Fast mode keeps no memo: below a certain depth, remember what is being saved. */
static int
enter_fast(Pickler *p, PyObject *obj)
{
    if (++p->fast_nesting < FAST_NESTING_LIMIT) {
        return 0;
    }
    NJ_OWN key = PyLong_FromVoidPtr(obj);
    if (key == NULL || (p->fast_memo == NULL && !(p->fast_memo = PyDict_New()))) {
        return -1;
    }
    int r = PyDict_Contains(p->fast_memo, key);
    if (r > 0) {
        PyErr_Format(PyExc_ValueError,
                     "fast mode: can't pickle cyclic objects including object type %.200s "
                     "at %p",
                     Py_TYPE(obj)->tp_name, obj);
        p->fast_nesting = -1;
        return -1;
    }
    return r < 0 ? -1 : PyDict_SetItem(p->fast_memo, key, Py_None);
}

static int
leave_fast(Pickler *p, PyObject *obj)
{
    if (p->fast_nesting-- < FAST_NESTING_LIMIT) {
        return 0;
    }
    NJ_OWN key = PyLong_FromVoidPtr(obj);
    return key ? PyDict_DelItem(p->fast_memo, key) : -1;
}

static int
save_items_of_tuple(Pickler *p, PyObject *obj, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyTuple_GET_ITEM(obj, i);
        if (save(p, item, Py_REFCNT(item) == 1 ? FRESH : 0) < 0) {
            return add_note("when serializing %T item %zd", obj, i);
        }
    }
    return 0;
}

static int
save_tuple(Pickler *p, PyObject *obj)
{
    static const unsigned char sized[] = {OP_EMPTY_TUPLE, OP_TUPLE1, OP_TUPLE2, OP_TUPLE3};
    Py_ssize_t n = PyTuple_GET_SIZE(obj), *at;
    if (n == 0) {
        return p->proto ? put_op(p, OP_EMPTY_TUPLE) : put_bytes(p, "(t", 2);
    }
    if (n <= 3 && p->proto >= 2) {
        if (save_items_of_tuple(p, obj, n) < 0) {
            return -1;
        }
        /* A recursive tuple has been built while its items were: drop these. */
        if ((at = memo_get(p->memo, obj))) {
            return put_bytes(p, "000", n) < 0 ? -1 : put_get(p, *at);
        }
        return put_op(p, sized[n]) < 0 ? -1 : memoize(p, obj);
    }
    if (put_op(p, OP_MARK) < 0 || save_items_of_tuple(p, obj, n) < 0) {
        return -1;
    }
    if ((at = memo_get(p->memo, obj))) {
        Py_ssize_t i = *at;
        if (p->proto) {
            return put_op(p, OP_POP_MARK) < 0 ? -1 : put_get(p, i);
        }
        for (Py_ssize_t k = 0; k <= n; k++) {
            if (put_op(p, OP_POP) < 0) {
                return -1;
            }
        }
        return put_get(p, i);
    }
    return put_op(p, OP_TUPLE) < 0 ? -1 : memoize(p, obj);
}

/* Saves one list item; owner and i for the note. */
static inline int
save_item(Pickler *p, PyObject *NJ_STEALS item, PyObject *owner, Py_ssize_t i)
{
    int r = save(p, item, Py_REFCNT(item) <= 1 ? FRESH : 0);
    Py_DECREF(item);
    return r < 0 ? add_note("when serializing %T item %zd", owner, i) : 0;
}

/* The items of an iterator, for the list below them on the stack. */
static int
save_appended(Pickler *p, PyObject *iter, PyObject *owner)
{
    Py_ssize_t total = 0, n;
    if (!p->bin) {
        for (PyObject *item; (item = PyIter_Next(iter));) {
            if (save_item(p, item, owner, total++) < 0 || put_op(p, OP_APPEND) < 0) {
                return -1;
            }
        }
        return PyErr_Occurred() ? -1 : 0;
    }
    do {
        PyObject *first = PyIter_Next(iter);
        if (first == NULL) {
            return PyErr_Occurred() ? -1 : 0;
        }
        PyObject *item = PyIter_Next(iter);
        if (item == NULL) {
            if (PyErr_Occurred()) {
                Py_DECREF(first);
                return -1;
            }
            return save_item(p, first, owner, total) < 0 ? -1 : put_op(p, OP_APPEND);
        }
        if (put_op(p, OP_MARK) < 0) {
            Py_DECREF(first);
            Py_DECREF(item);
            return -1;
        }
        if (save_item(p, first, owner, total++) < 0) {
            Py_DECREF(item);
            return -1;
        }
        n = 1;
        while (item) {
            if (save_item(p, item, owner, total++) < 0) {
                return -1;
            }
            item = ++n < BATCH_SIZE ? PyIter_Next(iter) : NULL;
        }
        if (PyErr_Occurred() || put_op(p, OP_APPENDS) < 0) {
            return -1;
        }
    } while (n == BATCH_SIZE);
    return 0;
}

static int
save_list_item(Pickler *p, PyObject *obj, Py_ssize_t i)
{
    PyObject *item = PyList_GET_ITEM(obj, i);
    int flags = Py_REFCNT(item) == 1 ? FRESH : 0;
    Py_INCREF(item);
    int r = save(p, item, flags);
    Py_DECREF(item);
    return r < 0 ? add_note("when serializing %T item %zd", obj, i) : 0;
}

static int
save_list_items(Pickler *p, PyObject *obj)
{
    if (PyList_GET_SIZE(obj) == 1) {
        return save_list_item(p, obj, 0) < 0 ? -1 : put_op(p, OP_APPEND);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(obj);) {
        if (put_op(p, OP_MARK) < 0) {
            return -1;
        }
        Py_ssize_t n = 0;
        while (i < PyList_GET_SIZE(obj)) {
            if (save_list_item(p, obj, i++) < 0) {
                return -1;
            }
            if (++n == BATCH_SIZE) {
                break;
            }
        }
        if (put_op(p, OP_APPENDS) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
save_list_content(Pickler *p, PyObject *obj)
{
    if ((p->bin ? put_op(p, OP_EMPTY_LIST) : put_bytes(p, "(l", 2)) < 0 ||
        memoize(p, obj) < 0) {
        return -1;
    }
    if (PyList_GET_SIZE(obj) == 0) {
        return 0;
    }
    if (p->bin) {
        return save_list_items(p, obj);
    }
    NJ_OWN iter = PyObject_GetIter(obj);
    return iter ? save_appended(p, iter, obj) : -1;
}

static int
save_list(Pickler *p, PyObject *obj)
{
    if (!p->fast) {
        return save_list_content(p, obj);
    }
    if (enter_fast(p, obj) < 0 || save_list_content(p, obj) < 0) {
        return -1;
    }
    return leave_fast(p, obj);
}

static int
save_pair(Pickler *p, PyObject *key, PyObject *value, PyObject *owner, int flags)
{
    if (save(p, key, 0) < 0) {
        return -1;
    }
    if (save(p, value, flags) < 0) {
        return add_note("when serializing %T item %R", owner, key);
    }
    return 0;
}

static int
save_pair_object(Pickler *p, PyObject *pair, PyObject *owner)
{
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
        PyErr_SetString(PyExc_TypeError, "dict items iterator must return 2-tuples");
        return -1;
    }
    return save_pair(p, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1), owner, 0);
}

/* The pairs of an iterator, for the dict below them on the stack. */
static int
save_set_items(Pickler *p, PyObject *iter, PyObject *owner)
{
    if (!p->bin) {
        for (PyObject *item; (item = PyIter_Next(iter));) {
            int r = save_pair_object(p, item, owner);
            Py_DECREF(item);
            if (r < 0 || put_op(p, OP_SETITEM) < 0) {
                return -1;
            }
        }
        return PyErr_Occurred() ? -1 : 0;
    }
    for (;;) {
        NJ_OWN first = PyIter_Next(iter);
        if (first == NULL) {
            return PyErr_Occurred() ? -1 : 0;
        }
        NJ_OWN item = PyIter_Next(iter);
        if (item == NULL) {
            return PyErr_Occurred() || save_pair_object(p, first, owner) < 0
                       ? -1
                       : put_op(p, OP_SETITEM);
        }
        if (put_op(p, OP_MARK) < 0 || save_pair_object(p, first, owner) < 0) {
            return -1;
        }
        Py_ssize_t n = 1;
        while (item) {
            if (save_pair_object(p, item, owner) < 0) {
                return -1;
            }
            NJ_SET(item, ++n < BATCH_SIZE ? PyIter_Next(iter) : NULL);
        }
        if (PyErr_Occurred() || put_op(p, OP_SETITEMS) < 0) {
            return -1;
        }
        if (n < BATCH_SIZE) {
            return 0;
        }
    }
}

/* Saves the next pair of a dict: 1, 0 at the end, -1. */
static int
save_next_pair(Pickler *p, PyObject *obj, Py_ssize_t *pos)
{
    PyObject *key, *value;
    if (!PyDict_Next(obj, pos, &key, &value)) {
        return 0;
    }
    int flags = Py_REFCNT(value) == 1 ? FRESH : 0;
    Py_INCREF(key);
    Py_INCREF(value);
    int r = save_pair(p, key, value, obj, flags);
    Py_DECREF(key);
    Py_DECREF(value);
    return r < 0 ? -1 : 1;
}

static int
save_dict_items(Pickler *p, PyObject *obj)
{
    Py_ssize_t pos = 0, size = PyDict_GET_SIZE(obj), n;
    if (size == 1) {
        return save_next_pair(p, obj, &pos) < 0 ? -1 : put_op(p, OP_SETITEM);
    }
    do {
        if (put_op(p, OP_MARK) < 0) {
            return -1;
        }
        for (n = 0; n < BATCH_SIZE; n++) {
            int r = save_next_pair(p, obj, &pos);
            if (r < 0) {
                return -1;
            }
            if (r == 0) {
                break;
            }
        }
        if (put_op(p, OP_SETITEMS) < 0) {
            return -1;
        }
        if (PyDict_GET_SIZE(obj) != size) {
            PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
            return -1;
        }
    } while (n == BATCH_SIZE);
    return 0;
}

static int
save_dict_content(Pickler *p, PyObject *obj)
{
    if ((p->bin ? put_op(p, OP_EMPTY_DICT) : put_bytes(p, "(d", 2)) < 0 ||
        memoize(p, obj) < 0) {
        return -1;
    }
    if (PyDict_GET_SIZE(obj) == 0) {
        return 0;
    }
    if (p->bin) {
        return save_dict_items(p, obj);
    }
    NJ_OWN items = PyObject_CallMethodNoArgs(obj, NJ_ID(items));
    NJ_OWN iter = items ? PyObject_GetIter(items) : NULL;
    return iter ? save_set_items(p, iter, obj) : -1;
}

static int
save_dict(Pickler *p, PyObject *obj)
{
    if (!p->fast) {
        return save_dict_content(p, obj);
    }
    if (enter_fast(p, obj) < 0 || save_dict_content(p, obj) < 0) {
        return -1;
    }
    return leave_fast(p, obj);
}

static int
save_as_list_call(Pickler *p, PyObject *obj)
{
    NJ_OWN list = PySequence_List(obj);
    return list ? save_call(p, obj, (PyObject *)Py_TYPE(obj), PyTuple_Pack(1, list)) : -1;
}

static int
save_element(Pickler *p, PyObject *NJ_STEALS item, PyObject *owner)
{
    int r = save(p, item, 0);
    Py_DECREF(item);
    return r < 0 ? add_note("when serializing %T element", owner) : 0;
}

static int
save_set(Pickler *p, PyObject *obj)
{
    if (p->proto < 4) {
        return save_as_list_call(p, obj);
    }
    if (put_op(p, OP_EMPTY_SET) < 0 || memoize(p, obj) < 0) {
        return -1;
    }
    if (PySet_GET_SIZE(obj) == 0) {
        return 0;
    }
    NJ_OWN iter = PyObject_GetIter(obj);
    if (iter == NULL) {
        return -1;
    }
    Py_ssize_t n;
    do {
        if (put_op(p, OP_MARK) < 0) {
            return -1;
        }
        for (n = 0; n < BATCH_SIZE; n++) {
            PyObject *item = PyIter_Next(iter);
            if (item == NULL) {
                if (PyErr_Occurred()) {
                    if (PyErr_ExceptionMatches(PyExc_RuntimeError)) {
                        PyErr_SetString(PyExc_RuntimeError,
                                        "set changed size during iteration");
                    }
                    return -1;
                }
                break;
            }
            if (save_element(p, item, obj) < 0) {
                return -1;
            }
        }
        if (put_op(p, OP_ADDITEMS) < 0) {
            return -1;
        }
    } while (n == BATCH_SIZE);
    return 0;
}

static int
save_frozenset(Pickler *p, PyObject *obj)
{
    if (p->proto < 4) {
        return save_as_list_call(p, obj);
    }
    NJ_OWN iter = PyObject_GetIter(obj);
    if (iter == NULL || put_op(p, OP_MARK) < 0) {
        return -1;
    }
    for (PyObject *item; (item = PyIter_Next(iter));) {
        if (save_element(p, item, obj) < 0) {
            return -1;
        }
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    Py_ssize_t *at = memo_get(p->memo, obj);
    if (at) {
        return put_op(p, OP_POP_MARK) < 0 ? -1 : put_get(p, *at);
    }
    return put_op(p, OP_FROZENSET) < 0 ? -1 : memoize(p, obj);
}

/* ---- globals ------------------------------------------------------------------------- */

/* 1 if following the path from module leads to obj; 0 if to another object, or nowhere
 * (*missing; an AttributeError stays set only if keep). */
static int
path_leads_to(PyObject *module, PyObject *path, PyObject *obj, bool keep, bool *missing)
{
    NJ_OWN found = nj_pickle_get_path(module, path);
    *missing = found == NULL;
    if (found == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        if (!keep) {
            PyErr_Clear();
        }
    }
    return found == obj;
}

/* Searches the loaded modules for an object that does not tell where it is from. */
static PyObject *
search_modules(PyObject *obj, PyObject *path)
{
    PyObject *modules = PySys_GetObject("modules"); /* borrowed */
    if (modules == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "lost sys.modules");
        return NULL;
    }
    /* A list, since attribute access may import more modules. */
    NJ_OWN items = PyMapping_Items(modules);
    for (Py_ssize_t i = 0; items && i < PyList_GET_SIZE(items); i++) {
        PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
        PyObject *module = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
        if (module == Py_None ||
            (PyUnicode_Check(name) && (PyUnicode_EqualToUTF8(name, "__main__") ||
                                       PyUnicode_EqualToUTF8(name, "__mp_main__")))) {
            continue;
        }
        bool missing;
        int r = path_leads_to(module, path, obj, false, &missing);
        if (r != 0) {
            return r < 0 ? NULL : Py_NewRef(name);
        }
    }
    return items ? Py_NewRef(NJ_ID(__main__)) : NULL;
}

/* PicklingError instead of the exception that is set, which becomes its context. */
static NJ_COLD void
raise_after(PyObject *error, const char *format, ...)
{
    PyObject *cause = PyErr_GetRaisedException();
    va_list va;
    va_start(va, format);
    PyErr_FormatV(error, format, va);
    va_end(va);
    PyObject *exc = PyErr_GetRaisedException();
    PyException_SetContext(exc, cause);
    PyErr_SetRaisedException(exc);
}

static NJ_COLD void
raise_import(PyObject *error, PyObject *obj)
{
    PyObject *e = PyErr_GetRaisedException();
    if (!PyErr_GivenExceptionMatches(e, PyExc_ImportError) &&
        !PyErr_GivenExceptionMatches(e, PyExc_ValueError) &&
        !PyErr_GivenExceptionMatches(e, PyExc_KeyError)) {
        PyErr_SetRaisedException(e);
        return;
    }
    NJ_OWN text = PyUnicode_FromFormat("Can't pickle %R: %S", obj, e);
    if (text == NULL) {
        Py_DECREF(e);
        return;
    }
    PyErr_SetRaisedException(e);
    raise_after(error, "%U", text);
}

/* The name of the module where obj is found as `name' (path: name at its dots). */
static PyObject *
whichmodule(Pickler *p, PyObject *obj, PyObject *name, PyObject *path)
{
    PyObject *error = p->st->pickling_error;
    NJ_OWN module_name = NULL;
    if (PyObject_GetOptionalAttr(obj, NJ_ID(__module__), &module_name) < 0) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(path); i++) {
        if (PyUnicode_EqualToUTF8(PyList_GET_ITEM(path, i), "<locals>")) {
            PyErr_Format(error, "Can't pickle local object %R", obj);
            return NULL;
        }
    }
    if (module_name == NULL || module_name == Py_None) {
        NJ_SET(module_name, search_modules(obj, path));
        if (module_name == NULL) {
            return NULL;
        }
    }
    NJ_OWN module = PyImport_GetModule(module_name);
    if (module == NULL && !PyErr_Occurred()) {
        NJ_OWN imported = PyImport_ImportModuleLevelObject(module_name, NULL, NULL, NULL, 0);
        if (imported) {
            module = PyImport_GetModule(module_name);
            if (module == NULL && !PyErr_Occurred()) {
                PyErr_SetObject(PyExc_KeyError, module_name);
            }
        }
    }
    if (module == NULL) {
        raise_import(error, obj);
        return NULL;
    }
    bool missing;
    int r = path_leads_to(module, path, obj, true, &missing);
    if (r < 0) {
        return NULL;
    }
    if (missing) {
        raise_after(error, "Can't pickle %R: it's not found as %S.%S", obj, module_name,
                    name);
        return NULL;
    }
    if (r == 0) {
        PyErr_Format(error, "Can't pickle %R: it's not the same object as %S.%S", obj,
                     module_name, name);
        return NULL;
    }
    return NJ_TAKE(module_name);
}

/* EXT1, EXT2 or EXT4 for a name in the extension registry: 1, or 0 if it is not. */
static int
save_extension(Pickler *p, PyObject *obj, PyObject *module_name, PyObject *name)
{
    if (PyDict_GET_SIZE(p->st->extension_registry) == 0) {
        return 0;
    }
    NJ_OWN key = PyTuple_Pack(2, module_name, name);
    NJ_OWN code_obj = NULL;
    if (key == NULL ||
        PyDict_GetItemRef(p->st->extension_registry, key, &code_obj) < 0) {
        return -1;
    }
    if (code_obj == NULL) {
        return 0;
    }
    long code = PyLong_AsLong(code_obj);
    if (code == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (code <= 0 || code > 0x7fffffffL) {
        PyErr_Format(PyExc_RuntimeError, "extension code %ld is out of range", code);
        return -1;
    }
    int r = code <= 0xff     ? put_op_le(p, OP_EXT1, (uint64_t)code, 1)
            : code <= 0xffff ? put_op_le(p, OP_EXT2, (uint64_t)code, 2)
                             : put_op_le(p, OP_EXT4, (uint64_t)code, 4);
    return r < 0 ? -1 : 1;
}

/* Encodes one half of a GLOBAL opcode. */
static PyObject *
encode_identifier(Pickler *p, PyObject *text, const char *what)
{
    PyObject *b = p->proto >= 3 ? PyUnicode_AsUTF8String(text)
                                : PyUnicode_AsASCIIString(text);
    if (b == NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        raise_after(p->st->pickling_error,
                    "can't pickle %s identifier %R using pickle protocol %i", what, text,
                    p->proto);
    }
    return b;
}

/* Maps names to those of Python 2. */
static int
map_names(PickleState *st, PyObject **module_name, PyObject **name)
{
    NJ_OWN key = PyTuple_Pack(2, *module_name, *name);
    NJ_OWN item = NULL;
    if (key == NULL || PyDict_GetItemRef(st->reverse_name_mapping, key, &item) < 0) {
        return -1;
    }
    if (item) {
        PyObject *m, *n;
        if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
            PyErr_Format(PyExc_RuntimeError,
                         "_compat_pickle.REVERSE_NAME_MAPPING values should be 2-tuples, "
                         "not %T",
                         item);
            return -1;
        }
        m = PyTuple_GET_ITEM(item, 0);
        n = PyTuple_GET_ITEM(item, 1);
        if (!PyUnicode_Check(m) || !PyUnicode_Check(n)) {
            PyErr_Format(PyExc_RuntimeError,
                         "_compat_pickle.REVERSE_NAME_MAPPING values should be pairs of "
                         "str, not (%T, %T)",
                         m, n);
            return -1;
        }
        NJ_SET(*module_name, Py_NewRef(m));
        NJ_SET(*name, Py_NewRef(n));
        return 0;
    }
    if (PyDict_GetItemRef(st->reverse_import_mapping, *module_name, &item) < 0) {
        return -1;
    }
    if (item) {
        if (!PyUnicode_Check(item)) {
            PyErr_Format(PyExc_RuntimeError,
                         "_compat_pickle.REVERSE_IMPORT_MAPPING values should be strings, "
                         "not %T",
                         item);
            return -1;
        }
        NJ_SET(*module_name, NJ_TAKE(item));
    }
    return 0;
}

static int
put_global(Pickler *p, PyObject *module_name, PyObject *name)
{
    NJ_OWN m = Py_NewRef(module_name);
    NJ_OWN n = Py_NewRef(name);
    if (p->proto < 3 && p->fix_imports && map_names(p->st, &m, &n) < 0) {
        return -1;
    }
    NJ_OWN mb = encode_identifier(p, m, "module");
    if (mb == NULL ||
        put_line(p, OP_GLOBAL, PyBytes_AS_STRING(mb), PyBytes_GET_SIZE(mb)) < 0) {
        return -1;
    }
    NJ_OWN nb = encode_identifier(p, n, "global");
    if (nb == NULL || put_bytes(p, PyBytes_AS_STRING(nb), PyBytes_GET_SIZE(nb)) < 0) {
        return -1;
    }
    return put_op(p, '\n');
}

/* Before protocol 4: getattr(getattr(first, second), third). */
static int
put_dotted_global(Pickler *p, PyObject *module_name, PyObject *path)
{
    Py_ssize_t n = PyList_GET_SIZE(path);
    for (Py_ssize_t i = 1; i < n; i++) {
        if (save(p, p->st->getattr, 0) < 0 || (p->proto < 2 && put_op(p, OP_MARK) < 0)) {
            return -1;
        }
    }
    if (put_global(p, module_name, PyList_GET_ITEM(path, 0)) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 1; i < n; i++) {
        if (save(p, PyList_GET_ITEM(path, i), 0) < 0 ||
            put_op(p, p->proto < 2 ? OP_TUPLE : OP_TUPLE2) < 0 ||
            put_op(p, OP_REDUCE) < 0) {
            return -1;
        }
    }
    return 0;
}

/* name: NULL, or what __reduce__ returned. */
static int
save_global(Pickler *p, PyObject *obj, PyObject *name)
{
    NJ_OWN own_name = Py_XNewRef(name);
    if (own_name == NULL) {
        if (PyObject_GetOptionalAttr(obj, NJ_ID(__qualname__), &own_name) < 0) {
            return -1;
        }
        if (own_name == NULL && !(own_name = PyObject_GetAttr(obj, NJ_ID(__name__)))) {
            return -1;
        }
    }
    NJ_OWN dot = PyUnicode_FromOrdinal('.');
    NJ_OWN path = dot ? PyUnicode_Split(own_name, dot, -1) : NULL;
    NJ_OWN module_name = path ? whichmodule(p, obj, own_name, path) : NULL;
    if (module_name == NULL) {
        return -1;
    }
    if (p->proto >= 2) {
        int r = save_extension(p, obj, module_name, own_name);
        if (r != 0) {
            return r < 0 ? -1 : 0;
        }
    }
    if (p->proto >= 4) {
        if (save(p, module_name, 0) < 0 || save(p, own_name, 0) < 0 ||
            put_op(p, OP_STACK_GLOBAL) < 0) {
            return -1;
        }
    }
    else if (PyList_GET_SIZE(path) > 1) {
        if (put_dotted_global(p, module_name, path) < 0) {
            return -1;
        }
    }
    else if (put_global(p, module_name, own_name) < 0) {
        return -1;
    }
    return memoize(p, obj);
}

static int
save_type(Pickler *p, PyObject *obj)
{
    PyObject *only = obj == (PyObject *)Py_TYPE(Py_None)             ? Py_None
                     : obj == (PyObject *)Py_TYPE(Py_NotImplemented) ? Py_NotImplemented
                     : obj == (PyObject *)Py_TYPE(Py_Ellipsis)       ? Py_Ellipsis
                                                                     : NULL;
    return only ? save_call(p, obj, (PyObject *)&PyType_Type, PyTuple_Pack(1, only))
                : save_global(p, obj, NULL);
}

/* ---- __reduce__ ---------------------------------------------------------------------- */

static int
save_newobj_ex(Pickler *p, PyObject *args, PyObject *obj)
{
    PyObject *error = p->st->pickling_error;
    if (PyTuple_GET_SIZE(args) != 3) {
        PyErr_Format(error, "__newobj_ex__ expected 3 arguments, got %zd",
                     PyTuple_GET_SIZE(args));
        return -1;
    }
    PyObject *cls = PyTuple_GET_ITEM(args, 0), *pos = PyTuple_GET_ITEM(args, 1);
    PyObject *kw = PyTuple_GET_ITEM(args, 2);
    if (!PyType_Check(cls)) {
        PyErr_Format(error, "first argument to __newobj_ex__() must be a class, not %T",
                     cls);
        return -1;
    }
    if (!PyTuple_Check(pos)) {
        PyErr_Format(error, "second argument to __newobj_ex__() must be a tuple, not %T",
                     pos);
        return -1;
    }
    if (!PyDict_Check(kw)) {
        PyErr_Format(error, "third argument to __newobj_ex__() must be a dict, not %T", kw);
        return -1;
    }
    if (p->proto >= 4) {
        if (save(p, cls, 0) < 0) {
            return add_note("when serializing %T class", obj);
        }
        if (save(p, pos, 0) < 0 || save(p, kw, 0) < 0) {
            return add_note("when serializing %T __new__ arguments", obj);
        }
        return put_op(p, OP_NEWOBJ_EX);
    }
    Py_ssize_t n = PyTuple_GET_SIZE(pos);
    NJ_OWN new = PyObject_GetAttr(cls, NJ_ID(__new__));
    NJ_OWN all = new ? PyTuple_New(n + 2) : NULL;
    if (all == NULL) {
        return -1;
    }
    PyTuple_SET_ITEM(all, 0, NJ_TAKE(new));
    PyTuple_SET_ITEM(all, 1, Py_NewRef(cls));
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(all, i + 2, Py_NewRef(PyTuple_GET_ITEM(pos, i)));
    }
    NJ_OWN func = PyObject_Call(p->st->partial, all, kw);
    if (func == NULL) {
        return -1;
    }
    if (save(p, func, 0) < 0) {
        return add_note("when serializing %T reconstructor", obj);
    }
    NJ_OWN none = PyTuple_New(0);
    return none == NULL || save(p, none, 0) < 0 ? -1 : put_op(p, OP_REDUCE);
}

static int
save_newobj(Pickler *p, PyObject *args, PyObject *obj)
{
    PyObject *error = p->st->pickling_error;
    if (PyTuple_GET_SIZE(args) < 1) {
        PyErr_SetString(error, "__newobj__ expected at least 1 argument, got 0");
        return -1;
    }
    PyObject *cls = PyTuple_GET_ITEM(args, 0);
    if (!PyType_Check(cls)) {
        PyErr_Format(error, "first argument to __newobj__() must be a class, not %T", cls);
        return -1;
    }
    if (obj && cls != (PyObject *)Py_TYPE(obj)) {
        NJ_OWN obj_cls = PyObject_GetAttr(obj, NJ_ID(__class__));
        if (obj_cls == NULL) {
            return -1;
        }
        if (obj_cls != cls) {
            PyErr_Format(error, "first argument to __newobj__() must be %R, not %R",
                         obj_cls, cls);
            return -1;
        }
    }
    if (save(p, cls, 0) < 0) {
        return add_note("when serializing %T class", obj);
    }
    NJ_OWN rest = PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args));
    if (rest == NULL) {
        return -1;
    }
    if (save(p, rest, 0) < 0) {
        return add_note("when serializing %T __new__ arguments", obj);
    }
    return put_op(p, OP_NEWOBJ);
}

static int
save_state(Pickler *p, PyObject *obj, PyObject *state, PyObject *setter)
{
    if (setter) {
        if (save(p, setter, 0) < 0) {
            return add_note("when serializing %T state setter", obj);
        }
        if (save(p, obj, 0) < 0) {
            return -1;
        }
    }
    if (save(p, state, 0) < 0) {
        return add_note("when serializing %T state", obj);
    }
    if (!setter) {
        return put_op(p, OP_BUILD);
    }
    /* what the setter returns does not matter */
    static const unsigned char ops[] = {OP_TUPLE2, OP_REDUCE, OP_POP};
    return put_bytes(p, ops, sizeof(ops));
}

/* Puts the opcodes for func(*args), with the short forms for copyreg.__newobj__() and
 * copyreg.__newobj_ex__(). */
static int
save_construction(Pickler *p, PyObject *func, PyObject *args, PyObject *obj)
{
    if (p->proto >= 2) {
        NJ_OWN name = NULL;
        if (PyFunction_Check(func)) {
            name = Py_NewRef(((PyFunctionObject *)func)->func_name);
        }
        else if (PyObject_GetOptionalAttr(func, NJ_ID(__name__), &name) < 0) {
            return -1;
        }
        if (name && PyUnicode_Check(name)) {
            if (name == NJ_ID(__newobj__) || PyUnicode_EqualToUTF8(name, "__newobj__")) {
                return save_newobj(p, args, obj);
            }
            if (PyUnicode_EqualToUTF8(name, "__newobj_ex__")) {
                return save_newobj_ex(p, args, obj);
            }
        }
    }
    if (save(p, func, 0) < 0) {
        return add_note("when serializing %T reconstructor", obj);
    }
    if (save(p, args, 0) < 0) {
        return add_note("when serializing %T reconstructor arguments", obj);
    }
    return put_op(p, OP_REDUCE);
}

static int
save_reduce(Pickler *p, PyObject *rv, PyObject *obj)
{
    PyObject *error = p->st->pickling_error;
    if (!PyTuple_Check(rv)) {
        PyErr_Format(error, "__reduce__ must return a string or tuple, not %T", rv);
        return -1;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(rv);
    if (n < 2 || n > 6) {
        PyErr_SetString(error, "tuple returned by __reduce__ "
                               "must contain 2 through 6 elements");
        return -1;
    }
    PyObject *part[6] = {NULL};
    for (Py_ssize_t i = 0; i < n; i++) {
        part[i] = PyTuple_GET_ITEM(rv, i);
        if (i >= 2 && part[i] == Py_None) {
            part[i] = NULL;
        }
    }
    const char *format = NULL;
    PyObject *wrong = NULL;
    if (!PyCallable_Check(wrong = part[0])) {
        format = "first item of the tuple returned by __reduce__ must be callable, not %T";
    }
    else if (!PyTuple_Check(wrong = part[1])) {
        format = "second item of the tuple returned by __reduce__ must be a tuple, not %T";
    }
    else if ((wrong = part[3]) && !PyIter_Check(wrong)) {
        format = "fourth item of the tuple returned by __reduce__ must be an iterator, "
                 "not %T";
    }
    else if ((wrong = part[4]) && !PyIter_Check(wrong)) {
        format = "fifth item of the tuple returned by __reduce__ must be an iterator, "
                 "not %T";
    }
    else if ((wrong = part[5]) && !PyCallable_Check(wrong)) {
        format = "sixth item of the tuple returned by __reduce__ must be callable, not %T";
    }
    if (format) {
        PyErr_Format(error, format, wrong);
        return -1;
    }
    if (save_construction(p, part[0], part[1], obj) < 0) {
        return -1;
    }
    if (obj) {
        /* A recursive object has been built while its arguments were: drop this one. */
        Py_ssize_t *at = memo_get(p->memo, obj);
        if (at) {
            if (put_op(p, OP_POP) < 0 || put_get(p, *at) < 0) {
                return -1;
            }
        }
        else if (memoize(p, obj) < 0) {
            return -1;
        }
    }
    if ((part[3] && save_appended(p, part[3], obj) < 0) ||
        (part[4] && save_set_items(p, part[4], obj) < 0)) {
        return -1;
    }
    return part[2] ? save_state(p, obj, part[2], part[5]) : 0;
}

/* What obj reduces to: by a dispatch table or by its methods. NULL without an exception:
 * obj is a class. */
static PyObject *
reduce(Pickler *p, PyObject *obj)
{
    PyObject *type = (PyObject *)Py_TYPE(obj);
    NJ_OWN func = NULL;
    if (p->dispatch_table == NULL) {
        if (PyDict_GetItemRef(p->st->dispatch_table, type, &func) < 0) {
            return NULL;
        }
    }
    else if (PyMapping_GetOptionalItem(p->dispatch_table, type, &func) < 0) {
        return NULL;
    }
    if (func) {
        return PyObject_CallOneArg(func, obj);
    }
    if (PyType_IsSubtype(Py_TYPE(obj), &PyType_Type)) {
        return NULL;
    }
    if (Py_TYPE(obj)->tp_getattro == PyObject_GenericGetAttr) {
        /* surely found: object has it */
        NJ_OWN proto = PyLong_FromLong(p->proto);
        return proto ? PyObject_CallMethodOneArg(obj, NJ_ID(__reduce_ex__), proto) : NULL;
    }
    if (PyObject_GetOptionalAttr(obj, NJ_ID(__reduce_ex__), &func) < 0) {
        return NULL;
    }
    if (func) {
        NJ_OWN proto = PyLong_FromLong(p->proto);
        return proto ? PyObject_CallOneArg(func, proto) : NULL;
    }
    if (PyObject_GetOptionalAttr(obj, NJ_ID(__reduce__), &func) < 0) {
        return NULL;
    }
    if (func) {
        return PyObject_CallNoArgs(func);
    }
    PyErr_Format(p->st->pickling_error, "Can't pickle %T object", obj);
    return NULL;
}

static int
save_other(Pickler *p, PyObject *obj)
{
    NJ_OWN rv = NULL;
    if (p->reducer_override) {
        rv = PyObject_CallOneArg(p->reducer_override, obj);
        if (rv == NULL) {
            return -1;
        }
        if (rv == Py_NotImplemented) {
            Py_CLEAR(rv);
        }
    }
    if (rv == NULL) {
        PyTypeObject *type = Py_TYPE(obj);
        if (type == &PyType_Type) {
            return save_type(p, obj);
        }
        if (type == &PyFunction_Type) {
            return save_global(p, obj, NULL);
        }
        rv = reduce(p, obj);
        if (rv == NULL) {
            return PyErr_Occurred() ? -1 : save_global(p, obj, NULL);
        }
    }
    if (PyUnicode_Check(rv)) {
        return save_global(p, obj, rv);
    }
    if (save_reduce(p, rv, obj) < 0) {
        return add_note("when serializing %T object", obj);
    }
    return 0;
}

/* ---- save ---------------------------------------------------------------------------- */

/* 1: saved by its persistent id; 0: it has none. */
static int
save_persistent(Pickler *p, PyObject *obj)
{
    NJ_OWN pid = PyObject_CallOneArg(p->persistent_id, obj);
    if (pid == NULL) {
        return -1;
    }
    if (pid == Py_None) {
        return 0;
    }
    if (p->bin) {
        return save(p, pid, IS_PID) < 0 || put_op(p, OP_BINPERSID) < 0 ? -1 : 1;
    }
    NJ_OWN text = PyObject_Str(pid);
    if (text == NULL) {
        return -1;
    }
    if (!PyUnicode_IS_ASCII(text)) {
        PyErr_SetString(p->st->pickling_error,
                        "persistent IDs in protocol 0 must be ASCII strings");
        return -1;
    }
    return put_line(p, OP_PERSID, PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text)) < 0 ? -1
                                                                                        : 1;
}

static int
save_compound(Pickler *p, PyObject *obj)
{
    PyTypeObject *type = Py_TYPE(obj);
    if (Py_EnterRecursiveCall(" while pickling an object")) {
        return -1;
    }
    int r = type == &PyDict_Type           ? save_dict(p, obj)
            : type == &PyTuple_Type        ? save_tuple(p, obj)
            : type == &PyList_Type         ? save_list(p, obj)
            : type == &PySet_Type          ? save_set(p, obj)
            : type == &PyFrozenSet_Type    ? save_frozenset(p, obj)
            : type == &PyByteArray_Type    ? save_bytearray(p, obj)
            : type == &PyPickleBuffer_Type ? save_picklebuffer(p, obj)
                                           : save_other(p, obj);
    Py_LeaveRecursiveCall();
    return r;
}

static int
save(Pickler *p, PyObject *obj, int flags)
{
    PyTypeObject *type = Py_TYPE(obj);
    if (opcode_boundary(p) < 0) {
        return -1;
    }
    if (p->persistent_id && !(flags & IS_PID)) {
        int r = save_persistent(p, obj);
        if (r != 0) {
            return r < 0 ? -1 : 0;
        }
    }
    if (type == &PyLong_Type) {
        return save_int(p, obj);
    }
    if (obj == Py_None) {
        return put_op(p, OP_NONE);
    }
    if (type == &PyFloat_Type) {
        return save_float(p, obj);
    }
    if (type == &PyBool_Type) {
        return save_bool(p, obj);
    }
    if (!(flags & FRESH)) {
        Py_ssize_t *at = memo_get(p->memo, obj);
        if (at) {
            return put_get(p, *at);
        }
    }
    return type == &PyUnicode_Type ? save_str(p, obj)
           : type == &PyBytes_Type ? save_bytes(p, obj)
                                   : save_compound(p, obj);
}

/* The method to ask for persistent ids: NULL if it is the one that always says None. */
static int
find_hooks(Pickler *p)
{
    Py_CLEAR(p->persistent_id);
    Py_CLEAR(p->reducer_override);
    if (p->persistent_id_attr == NULL && Py_IS_TYPE(p, p->st->pickler_type)) {
        return 0;
    }
    PyObject *f = PyObject_GetAttr((PyObject *)p, NJ_ID(persistent_id));
    if (f == NULL) {
        return -1;
    }
    if (PyCFunction_Check(f) && PyCFunction_GET_FUNCTION(f) == pickler_persistent_id) {
        Py_CLEAR(f);
    }
    p->persistent_id = f;
    return PyObject_GetOptionalAttr((PyObject *)p, NJ_ID(reducer_override),
                                    &p->reducer_override) < 0
               ? -1
               : 0;
}

/* Writes a whole pickle into the buffer (and the file, in parts, if there is one). */
static int
dump(Pickler *p, PyObject *obj)
{
    p->len = p->limit = 0;
    p->frame_start = -1;
    p->framing = 0;
    if (find_hooks(p) < 0) {
        return -1;
    }
    if (p->proto >= 2 && put_op_le(p, OP_PROTO, (uint64_t)p->proto, 1) < 0) {
        return -1;
    }
    if (p->proto >= 4) {
        p->framing = 1;
        p->limit = p->len;
    }
    p->running = 1;
    int r = save(p, obj, 0);
    p->running = 0;
    /* bound methods of p: kept, they would be a cycle */
    Py_CLEAR(p->persistent_id);
    Py_CLEAR(p->reducer_override);
    if (r < 0 || put_op(p, OP_STOP) < 0) {
        return -1;
    }
    end_frame(p);
    p->framing = 0;
    return 0;
}

/* ---- the type ------------------------------------------------------------------------ */

static int
set_protocol(Pickler *p, PyObject *protocol, int fix_imports)
{
    long proto = DEFAULT_PROTOCOL;
    if (protocol != Py_None) {
        proto = PyLong_AsLong(protocol);
        if (proto == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (proto < 0) {
            proto = HIGHEST_PROTOCOL;
        }
        else if (proto > HIGHEST_PROTOCOL) {
            PyErr_Format(PyExc_ValueError, "pickle protocol must be <= %d",
                         HIGHEST_PROTOCOL);
            return -1;
        }
    }
    p->proto = (int)proto;
    p->bin = proto > 0;
    p->fix_imports = fix_imports && proto < 3;
    return 0;
}

static int
set_file(Pickler *p, PyObject *file)
{
    PyObject *write;
    if (PyObject_GetOptionalAttr(file, NJ_ID(write), &write) < 0) {
        return -1;
    }
    if (write == NULL) {
        PyErr_SetString(PyExc_TypeError, "file must have a 'write' attribute");
        return -1;
    }
    NJ_SET(p->write, write);
    return 0;
}

static int
set_buffer_callback(Pickler *p, PyObject *callback)
{
    if (callback == Py_None) {
        callback = NULL;
    }
    if (callback && p->proto < 5) {
        PyErr_SetString(PyExc_ValueError, "buffer_callback needs protocol >= 5");
        return -1;
    }
    NJ_SET(p->buffer_callback, Py_XNewRef(callback));
    return 0;
}

PyObject *
nj_pickle_dump(PickleState *st, PyObject *obj, PyObject *file, PyObject *protocol,
               int fix_imports, PyObject *buffer_callback)
{
    Pickler *p = PyObject_GC_New(Pickler, st->pickler_type);
    if (p == NULL) {
        return NULL;
    }
    memset((char *)p + sizeof(PyObject), 0, sizeof(Pickler) - sizeof(PyObject));
    p->st = st;
    PyObject *r = NULL;
    if ((p->memo = memo_new()) && set_protocol(p, protocol, fix_imports) == 0 &&
        (file == NULL || set_file(p, file) == 0) &&
        set_buffer_callback(p, buffer_callback) == 0 && dump(p, obj) == 0) {
        if (file == NULL) {
            r = take_output(p);
        }
        else if (flush(p) == 0) {
            r = Py_NewRef(Py_None);
        }
    }
    /* nobody else knows the object, and the collector was never told of it */
    PyObject_GC_Track(p);
    Py_DECREF(p);
    return r;
}

static NJ_COLD int
raise_running(void)
{
    PyErr_SetString(PyExc_RuntimeError, "Pickler object is already used");
    return -1;
}

static PyObject *
pickler_dump(PyObject *op, PyObject *obj)
{
    Pickler *p = PICKLER(op);
    if (p->write == NULL) {
        PyErr_Format(pickle_state(Py_TYPE(op))->pickling_error,
                     "Pickler.__init__() was not called by %s.__init__()",
                     Py_TYPE(op)->tp_name);
        return NULL;
    }
    if (p->running) {
        (void)raise_running();
        return NULL;
    }
    if (dump(p, obj) < 0 || flush(p) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
pickler_clear_memo(PyObject *op, PyObject *unused)
{
    if (PICKLER(op)->memo) {
        memo_empty(PICKLER(op)->memo);
    }
    Py_RETURN_NONE;
}

static PyObject *
pickler_persistent_id(PyObject *op, PyObject *obj)
{
    Py_RETURN_NONE;
}

static PyObject *
pickler_sizeof(PyObject *op, PyObject *unused)
{
    Pickler *p = PICKLER(op);
    size_t n = (size_t)Py_TYPE(op)->tp_basicsize;
    if (p->memo) {
        n += sizeof(Memo) + (p->memo->mask + 1) * sizeof(MemoEntry);
    }
    if (p->out) {
        n += (size_t)PyBytes_GET_SIZE(p->out) + (size_t)PyBytes_Type.tp_basicsize;
    }
    return PyLong_FromSize_t(n);
}

static PyMethodDef pickler_methods[] = {
    {"dump", pickler_dump, METH_O,
     "dump($self, obj, /)\n--\n\n"
     "Write a pickle of obj to the file."},
    {"clear_memo", pickler_clear_memo, METH_NOARGS,
     "clear_memo($self, /)\n--\n\n"
     "Forget which objects have been pickled.\n\n"
     "The memo makes that an object that occurs again is written as a reference to\n"
     "its first occurrence; clear it before using the pickler again."},
    {"persistent_id", pickler_persistent_id, METH_O, "persistent_id($self, obj, /)\n--\n\n"},
    {"__sizeof__", pickler_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nThe size in memory, in bytes."},
    {NULL, NULL, 0, NULL},
};

static int
pickler_traverse(PyObject *op, visitproc visit, void *arg)
{
    Pickler *p = PICKLER(op);
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(p->persistent_id);
    Py_VISIT(p->persistent_id_attr);
    Py_VISIT(p->dispatch_table);
    Py_VISIT(p->reducer_override);
    Py_VISIT(p->write);
    Py_VISIT(p->fast_memo);
    Py_VISIT(p->buffer_callback);
    for (size_t i = 0; p->memo && i <= p->memo->mask; i++) {
        Py_VISIT(p->memo->table[i].key);
    }
    return 0;
}

static int
pickler_clear(PyObject *op)
{
    Pickler *p = PICKLER(op);
    Py_CLEAR(p->persistent_id);
    Py_CLEAR(p->persistent_id_attr);
    Py_CLEAR(p->dispatch_table);
    Py_CLEAR(p->reducer_override);
    Py_CLEAR(p->write);
    Py_CLEAR(p->out);
    p->len = p->limit = 0;
    Py_CLEAR(p->fast_memo);
    Py_CLEAR(p->buffer_callback);
    Memo *m = p->memo;
    p->memo = NULL;
    memo_free(m);
    return 0;
}

static void
pickler_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)pickler_clear(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static int
pickler_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"file", "protocol", "fix_imports",
                                        "buffer_callback", NULL};
    static const NjParams params = {"Pickler", names, 4, 1, 0};
    Pickler *p = PICKLER(op);
    PyObject *a[4];
    if (nj_args_bind_tuple(&params, args, kwargs, a) < 0) {
        return -1;
    }
    int fix_imports = a[2] ? PyObject_IsTrue(a[2]) : 1;
    if (fix_imports < 0) {
        return -1;
    }
    if (p->running) {
        return raise_running();
    }
    PyObject *table;
    if (PyObject_GetOptionalAttr(op, NJ_ID(dispatch_table), &table) < 0) {
        return -1;
    }
    (void)pickler_clear(op);
    p->dispatch_table = table;
    p->st = pickle_state(Py_TYPE(op));
    if (set_protocol(p, a[1] ? a[1] : Py_None, fix_imports) < 0 ||
        set_file(p, a[0]) < 0 || set_buffer_callback(p, a[3] ? a[3] : Py_None) < 0 ||
        !(p->memo = memo_new()) || make_room(p, WRITE_BUFFER_SIZE) < 0) {
        return -1;
    }
    p->fast = p->fast_nesting = 0;
    return 0;
}

static bool
is_persistent_id(PyObject *name)
{
    return name == NJ_ID(persistent_id) ||
           (PyUnicode_Check(name) && PyUnicode_EqualToUTF8(name, "persistent_id"));
}

static PyObject *
pickler_getattro(PyObject *op, PyObject *name)
{
    if (PICKLER(op)->persistent_id_attr && is_persistent_id(name)) {
        return Py_NewRef(PICKLER(op)->persistent_id_attr);
    }
    return PyObject_GenericGetAttr(op, name);
}

static int
pickler_setattro(PyObject *op, PyObject *name, PyObject *value)
{
    if (is_persistent_id(name)) {
        NJ_SET(PICKLER(op)->persistent_id_attr, Py_XNewRef(value));
        return 0;
    }
    return PyObject_GenericSetAttr(op, name, value);
}

/* ---- the memo attribute -------------------------------------------------------------- */

typedef struct MemoProxy {
    PyObject_HEAD
    Pickler *pickler;
} MemoProxy;

#define PROXY(op) ((MemoProxy *)(op))

static PyObject *
pickler_get_memo(PyObject *op, void *closure)
{
    PickleState *st = pickle_state(Py_TYPE(op));
    MemoProxy *proxy = PyObject_GC_New(MemoProxy, st->pickler_memo_type);
    if (proxy) {
        proxy->pickler = PICKLER(Py_NewRef(op));
        PyObject_GC_Track(proxy);
    }
    return (PyObject *)proxy;
}

static Memo *
memo_copy(const Memo *from)
{
    Memo *m = memo_new();
    for (size_t i = 0; m && from && i <= from->mask; i++) {
        if (from->table[i].key &&
            memo_set(m, from->table[i].key, from->table[i].value) < 0) {
            memo_free(m);
            return NULL;
        }
    }
    return m;
}

/* {id: (number, object)} */
static Memo *
memo_from_dict(PyObject *dict)
{
    Memo *m = memo_new();
    Py_ssize_t pos = 0;
    for (PyObject *key, *value; m && PyDict_Next(dict, &pos, &key, &value);) {
        if (!PyTuple_Check(value) || PyTuple_GET_SIZE(value) != 2) {
            PyErr_SetString(PyExc_TypeError, "'memo' values must be 2-item tuples");
            memo_free(m);
            return NULL;
        }
        Py_ssize_t i = PyLong_AsSsize_t(PyTuple_GET_ITEM(value, 0));
        if ((i == -1 && PyErr_Occurred()) ||
            memo_set(m, PyTuple_GET_ITEM(value, 1), i) < 0) {
            memo_free(m);
            return NULL;
        }
    }
    return m;
}

static int
pickler_set_memo(PyObject *op, PyObject *value, void *closure)
{
    PickleState *st = pickle_state(Py_TYPE(op));
    Memo *m;
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "attribute deletion is not supported");
        return -1;
    }
    if (Py_IS_TYPE(value, st->pickler_memo_type)) {
        m = memo_copy(PROXY(value)->pickler->memo);
    }
    else if (PyDict_Check(value)) {
        m = memo_from_dict(value);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "'memo' attribute must be a PicklerMemoProxy object or dict, not %.200s",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    if (m == NULL) {
        return -1;
    }
    Memo *old = PICKLER(op)->memo;
    PICKLER(op)->memo = m;
    memo_free(old);
    return 0;
}

static PyObject *
proxy_clear_method(PyObject *op, PyObject *unused)
{
    return pickler_clear_memo((PyObject *)PROXY(op)->pickler, NULL);
}

static PyObject *
proxy_copy(PyObject *op, PyObject *unused)
{
    const Memo *m = PROXY(op)->pickler->memo;
    NJ_OWN dict = PyDict_New();
    for (size_t i = 0; dict && m && i <= m->mask; i++) {
        const MemoEntry *e = &m->table[i];
        if (e->key) {
            NJ_OWN key = PyLong_FromVoidPtr(e->key);
            NJ_OWN value = Py_BuildValue("nO", e->value, e->key);
            if (key == NULL || value == NULL || PyDict_SetItem(dict, key, value) < 0) {
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
     "__reduce__($self, /)\n--\n\nImplement pickle support."},
    {NULL, NULL, 0, NULL},
};

static int
proxy_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(PROXY(op)->pickler);
    return 0;
}

static int
proxy_clear(PyObject *op)
{
    Py_CLEAR(PROXY(op)->pickler);
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

PyType_Spec nj_pickler_memo_spec = {
    .name = "_pickle.PicklerMemoProxy",
    .basicsize = sizeof(MemoProxy),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = proxy_slots,
};

static PyMemberDef pickler_members[] = {
    {"bin", Py_T_INT, offsetof(Pickler, bin), 0, NULL},
    {"fast", Py_T_INT, offsetof(Pickler, fast), 0, NULL},
    {"dispatch_table", Py_T_OBJECT_EX, offsetof(Pickler, dispatch_table), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef pickler_getset[] = {
    {"memo", pickler_get_memo, pickler_set_memo, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(pickler_doc,
"Pickler(file, protocol=None, fix_imports=True, buffer_callback=None)\n--\n\n"
"Writes pickles to a binary file.\n\n"
"The file needs a write() method that takes bytes. The protocol is one of 0 to 5,\n"
"by default 5; a negative one stands for the highest. The higher it is, the newer\n"
"the Python that reads the pickle must be.\n\n"
"With fix_imports true and a protocol below 3, names that Python 2 knew\n"
"differently are written as it knew them.\n\n"
"Without buffer_callback, the data of each PickleBuffer goes into the pickle.\n"
"With one (protocol 5 only) it is called with each of them; a false result, such\n"
"as None, keeps the data out of the pickle.");

static PyType_Slot pickler_slots[] = {
    {Py_tp_doc, (void *)pickler_doc},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, pickler_init},
    {Py_tp_dealloc, pickler_dealloc},
    {Py_tp_traverse, pickler_traverse},
    {Py_tp_clear, pickler_clear},
    {Py_tp_getattro, pickler_getattro},
    {Py_tp_setattro, pickler_setattro},
    {Py_tp_methods, pickler_methods},
    {Py_tp_members, pickler_members},
    {Py_tp_getset, pickler_getset},
    {0, NULL},
};

PyType_Spec nj_pickler_spec = {
    .name = "_pickle.Pickler",
    .basicsize = sizeof(Pickler),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pickler_slots,
};

/* wrappers_objects.h - more of what no plain signature says: types and what is made from
 * structures, members, buffers, text, numbers and memory. Included by capifuzz.c.
 * SPDX-License-Identifier: MIT
 */

#define NONE Py_NewRef(Py_None)

/* --- buffers and memory ------------------------------------------------------------------------ */

static PyObject *
fz_buffer_fill(PyObject *o, const char *s, Py_ssize_t n, int readonly, int flags)
{
    static const int all[] = {PyBUF_SIMPLE, PyBUF_WRITABLE, PyBUF_FORMAT | PyBUF_ND, PyBUF_STRIDES, PyBUF_FULL_RO,
                              PyBUF_INDIRECT, PyBUF_CONTIG};
    Py_buffer v;
    if (n < 0) {
        return NONE;
    }
    if (PyBuffer_FillInfo(&v, o, (void *)s, n, readonly & 1, all[flags]) < 0) {
        return NULL;
    }
    PyObject *m = PyMemoryView_FromBuffer(&v);
    PyObject *r = m ? Py_BuildValue("(nniiN)", v.len, v.itemsize, v.ndim, v.readonly, PyObject_CallMethod(m, "tobytes", NULL))
                    : NULL;
    Py_XDECREF(m);
    PyBuffer_Release(&v);
    return r;
}

static PyObject *
fz_buffer_strides(int ndim, Py_ssize_t a, Py_ssize_t b, int order)
{
    Py_ssize_t shape[3] = {a, b, 2}, strides[3] = {-7, -7, -7}, at[3] = {0, 1, 1};
    if (a < 1 || b < 2) {
        return NONE;
    }
    char data[64];
    PyBuffer_FillContiguousStrides(ndim % 4, shape, strides, 2, "CF"[order & 1]);
    Py_buffer v = {.buf = data, .itemsize = 2, .ndim = ndim % 4, .shape = shape, .strides = strides};
    return Py_BuildValue("nnnn", strides[0], strides[1], strides[2], (char *)PyBuffer_GetPointer(&v, at) - data);
}

static PyObject *
fz_buffer_from(PyObject *o, const char *s, Py_ssize_t n, int order)
{
    Py_buffer v;
    if (!o || n < 0 || PyObject_GetBuffer(o, &v, PyBUF_FULL) < 0) {
        return o && n >= 0 ? NULL : NONE;
    }
    int rc = v.len <= n ? PyBuffer_FromContiguous(&v, s, v.len, "CF"[order & 1]) : 0;
    PyBuffer_Release(&v);
    return rc < 0 ? NULL : Py_NewRef(o);
}

static PyObject *
fz_copy_data(PyObject *to, PyObject *from)
{
    return !to || !from ? NONE : PyObject_CopyData(to, from) < 0 ? NULL : Py_NewRef(to);
}

PyAPI_FUNC(int) _PySet_NextEntry(PyObject *, Py_ssize_t *, PyObject **, Py_hash_t *);
PyAPI_FUNC(PyObject *) PyCFunction_Call(PyObject *, PyObject *, PyObject *);
PyAPI_FUNC(int) PyObject_CheckReadBuffer(PyObject *);
int PyObject_AsCharBuffer(PyObject *, const char **, Py_ssize_t *);
int PyObject_AsReadBuffer(PyObject *, const void **, Py_ssize_t *);
int PyObject_AsWriteBuffer(PyObject *, void **, Py_ssize_t *);

static PyObject *
fz_old_buffer(PyObject *o, int which)
{
    const void *p = NULL;
    Py_ssize_t n = -7;
    int rc = which % 3 == 0   ? PyObject_AsCharBuffer(o, (const char **)&p, &n)
             : which % 3 == 1 ? PyObject_AsReadBuffer(o, &p, &n)
                              : PyObject_AsWriteBuffer(o, (void **)&p, &n);
    return rc < 0 ? NULL : PyBytes_FromStringAndSize(p, n);
}

static PyObject *
fz_pickle_buffer(PyObject *o)
{
    if (!o) {
        return NONE;
    }
    PyObject *b = PyPickleBuffer_Check(o) ? Py_NewRef(o) : PyPickleBuffer_FromObject(o);
    const Py_buffer *v = b ? PyPickleBuffer_GetBuffer(b) : NULL;
    PyObject *r = v ? Py_BuildValue("nni", v->len, v->itemsize, v->ndim) : NULL;
    Py_XDECREF(b);
    return r;
}

static PyObject *
fz_memory_functions(int domain, const char *s, Py_ssize_t n, Py_ssize_t more)
{
    if (n < 0 || more < 0) {
        return NONE;
    }
    char *p = domain % 3 == 0 ? PyMem_Malloc(n) : domain % 3 == 1 ? PyMem_RawMalloc(n) : PyObject_Malloc(n);
    char *z = domain % 3 == 0 ? PyMem_Calloc(n, 3) : domain % 3 == 1 ? PyMem_RawCalloc(n, 3) : PyObject_Calloc(n, 3);
    memcpy(p, s, n);
    char *grown = more > 1000 ? NULL
                  : domain % 3 == 0 ? PyMem_Realloc(p, n + more)
                  : domain % 3 == 1 ? PyMem_RawRealloc(p, n + more)
                                    : PyObject_Realloc(p, n + more);
    void *huge = domain % 3 == 0   ? PyMem_Malloc((size_t)PY_SSIZE_T_MAX + 1)
                 : domain % 3 == 1 ? PyMem_RawMalloc((size_t)PY_SSIZE_T_MAX + 1)
                                   : PyObject_Malloc((size_t)PY_SSIZE_T_MAX + 1);
    PyObject *r = Py_BuildValue("y#Oy#", grown ? grown : p, n, huge ? Py_True : Py_False, z, n);
    void (*release)(void *) = domain % 3 == 0 ? PyMem_Free : domain % 3 == 1 ? PyMem_RawFree : PyObject_Free;
    release(grown ? grown : p);
    release(z);
    return r;
}

/* --- text -------------------------------------------------------------------------------------- */

static PyObject *
call_formatv(int which, const char *format, ...)
{
    va_list va;
    va_start(va, format);
    PyObject *r = which % 3 == 0   ? PyUnicode_FromFormatV(format, va)
                  : which % 3 == 1 ? PyBytes_FromFormatV(format, va)
                                   : PyErr_FormatV(PyExc_ValueError, format, va);
    va_end(va);
    return r;
}

static PyObject *
fz_formatv(int which, const char *s, long n)
{
    return s ? call_formatv(which, "%s|%ld|%5d|%x|%c|%%", s, n, (int)n, (unsigned)n & 0xffff, 'x') : NONE;
}

static PyObject *
fz_escape(const char *s, Py_ssize_t n, const char *errors)
{
    return PyBytes_DecodeEscape(s, n, errors, 0, NULL);
}

static PyObject *
fz_ucs4_copy(PyObject *o)
{
    if (!o || !PyUnicode_Check(o)) {
        return NONE;
    }
    Py_UCS4 *p = PyUnicode_AsUCS4Copy(o);
    PyObject *r = p ? PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, p, PyUnicode_GET_LENGTH(o)) : NULL;
    PyMem_Free(p);
    return r;
}

static PyObject *
fz_as_wide(PyObject *o, int size)
{
    wchar_t w[64];
    for (int i = 0; i < 64; i++) {
        w[i] = L'-';
    }
    Py_ssize_t n = o ? PyUnicode_AsWideChar(o, size & 1 ? NULL : w, size % 60) : -1;
    return !o ? NONE : n < 0 ? NULL : Py_BuildValue("nN", n, PyUnicode_FromWideChar(w, 10));
}

static PyObject *
fz_copy_characters(PyObject *from, Py_ssize_t at, Py_ssize_t start, Py_ssize_t n, Py_UCS4 max)
{
    if (!from || at < 0 || start < 0) { /* not checked by the API */
        return NONE;
    }
    PyObject *to = PyUnicode_New(8, max <= 0x10ffff ? max : 0x7f);
    if (!to || PyUnicode_Fill(to, 0, 8, '.') < 0) {
        Py_XDECREF(to);
        return NULL;
    }
    Py_ssize_t copied = PyUnicode_CopyCharacters(to, at, from, start, n);
    PyObject *r = copied < 0 ? NULL : Py_BuildValue("nO", copied, to);
    Py_DECREF(to);
    return r;
}

static PyObject *
fz_write_char(Py_ssize_t at, Py_UCS4 ch, Py_UCS4 max)
{
    PyObject *to = PyUnicode_New(3, max <= 0x10ffff ? max : 0x7f);
    if (!to || PyUnicode_Fill(to, 0, 3, '.') < 0 || PyUnicode_WriteChar(to, at, ch) < 0) {
        Py_CLEAR(to);
    }
    return to;
}

static PyObject *
fz_unicode_resize(PyObject *o, Py_ssize_t n)
{
    PyObject *s = o && PyUnicode_CheckExact(o) && PyUnicode_GET_LENGTH(o) > 1
                      ? PyUnicode_FromKindAndData(PyUnicode_KIND(o), PyUnicode_DATA(o), PyUnicode_GET_LENGTH(o))
                      : Py_XNewRef(o);
    if (!s || n > PyUnicode_Check(s) * 1000 || (PyUnicode_Check(s) && n > PyUnicode_GET_LENGTH(s))) {
        Py_XDECREF(s); /* what is new would be of chance */
        return NONE;
    }
    if (PyUnicode_Resize(&s, n) < 0) {
        Py_XDECREF(s);
        return NULL;
    }
    return s;
}

static PyObject *
fz_locale(const char *s, Py_ssize_t n, const char *errors)
{
    PyObject *a = PyUnicode_DecodeLocaleAndSize(s, n, errors);
    PyObject *b = a ? PyUnicode_EncodeLocale(a, errors) : NULL;
    return b ? Py_BuildValue("NN", a, b) : (Py_XDECREF(a), NULL);
}

static PyObject *
fz_decode_locale(const char *s)
{
    if (!s) {
        return NONE;
    }
    size_t n = 0, error = 0;
    wchar_t *w = Py_DecodeLocale(s, &n);
    PyObject *u = w ? PyUnicode_FromWideChar(w, (Py_ssize_t)n) : NONE;
    char *back = w ? Py_EncodeLocale(w, &error) : NULL;
    PyObject *r = Py_BuildValue("Nyn", u, back ? back : "", (Py_ssize_t)error);
    PyMem_RawFree(w);
    PyMem_Free(back);
    return r;
}

static PyObject *
fz_fs(PyObject *o, int which)
{
    PyObject *r = NULL;
    if (!o) {
        return NONE;
    }
    int rc = which & 1 ? PyUnicode_FSConverter(o, &r) : PyUnicode_FSDecoder(o, &r);
    return rc ? r : NULL;
}

static PyObject *
fz_intern(PyObject *o)
{
    if (!o || !PyUnicode_Check(o)) {
        return NONE;
    }
    PyObject *a = Py_NewRef(o);
    PyUnicode_InternInPlace(&a);
    PyObject *b = PyUnicode_FromObject(a);
    if (b) {
        PyUnicode_InternInPlace(&b);
    }
    PyObject *r = Py_BuildValue("OOi", a, a == b ? Py_True : Py_False, PyUnicode_CHECK_INTERNED(a) != 0);
    Py_DECREF(a);
    Py_XDECREF(b);
    return r;
}

static PyObject *
fz_writer_more(const char *s, Py_ssize_t n, PyObject *o, unsigned ch)
{
    static const wchar_t wide[] = L"wide\u20ac";
    Py_UCS4 chars[] = {ch <= 0x10ffff ? ch : 'x', 'b'};
    PyUnicodeWriter *w = PyUnicodeWriter_Create(0);
    Py_ssize_t used = -7;
    if (w && (PyUnicodeWriter_WriteASCII(w, "ascii", 3) < 0 || PyUnicodeWriter_WriteUCS4(w, chars, 2) < 0 ||
              PyUnicodeWriter_WriteWideChar(w, wide, -1) < 0 ||
              PyUnicodeWriter_DecodeUTF8Stateful(w, s, n, "replace", &used) < 0 ||
              (o && PyUnicodeWriter_Format(w, "%A|%zd|%S", o, n, o) < 0))) {
        PyUnicodeWriter_Discard(w);
        return NULL;
    }
    return w ? Py_BuildValue("Nn", PyUnicodeWriter_Finish(w), used) : NULL;
}

static PyObject *
fz_decode_error(const char *s, Py_ssize_t n, Py_ssize_t start, Py_ssize_t end, const char *why)
{
    return n < 0 || !why ? NONE : PyUnicodeDecodeError_Create("enc", s, n, start, end, why);
}

static PyObject *
fz_charmap(PyObject *o)
{
    PyObject *m = o && PyUnicode_Check(o) ? PyUnicode_BuildEncodingMap(o) : NONE;
    PyObject *r = m ? PyUnicode_AsCharmapString(o && PyUnicode_Check(o) ? o : Py_None, m) : NULL;
    Py_XDECREF(m);
    return r;
}

static PyObject *
fz_text_compare(const char *a, const char *b, Py_ssize_t n)
{
    if (!a || !b || n < 0) {
        return NONE;
    }
    int x = PyOS_mystricmp(a, b), y = PyOS_mystrnicmp(a, b, n);
    char buf[12];
    int z = PyOS_snprintf(buf, sizeof buf, "%s-%d", a, (int)n);
    return Py_BuildValue("iiiy", (x > 0) - (x < 0), (y > 0) - (y < 0), z, buf);
}

static PyObject *
fz_strtol(const char *s, int base)
{
    char *end = NULL, *end2 = NULL;
    if (!s || base < 0 || base > 36 || base == 1) {
        return NONE;
    }
    long a = PyOS_strtol(s, &end, base);
    unsigned long b = PyOS_strtoul(s, &end2, base);
    return Py_BuildValue("lnkn", a, end - s, b, end2 - s);
}

/* --- numbers ----------------------------------------------------------------------------------- */

static PyObject *
fz_byte_array(PyObject *o, int size, int flags)
{
    unsigned char b[40];
    memset(b, 0xaa, sizeof b);
    size = (size & 31) + 1;
    if (!o || !PyLong_Check(o)) {
        return NONE;
    }
    if (_PyLong_AsByteArray((PyLongObject *)o, b, size, flags & 1, flags >> 1 & 1, 1) < 0) {
        return NULL;
    }
    return Py_BuildValue("Ny#i", _PyLong_FromByteArray(b, size, flags & 1, flags >> 1 & 1), b, (Py_ssize_t)size,
                         _PyLong_Sign(o));
}

static PyObject *
fz_long_writer(int negative, Py_ssize_t n, long digits)
{
    void *p = NULL;
    if (n > 10) {
        return NONE;
    }
    PyLongWriter *w = PyLongWriter_Create(negative & 1, n, &p);
    if (!w) {
        return NULL;
    }
    const PyLongLayout *layout = PyLong_GetNativeLayout();
    for (Py_ssize_t i = 0; i < n; i++) {
        ((uint32_t *)p)[i] = (uint32_t)(digits * (i + 7)) & ((1u << layout->bits_per_digit) - 1);
    }
    if (digits == 255) {
        PyLongWriter_Discard(w);
        return NONE;
    }
    return PyLongWriter_Finish(w);
}

static PyObject *
fz_compact(PyObject *o)
{
    if (!o || !PyLong_Check(o)) {
        return NONE;
    }
    int is = PyUnstable_Long_IsCompact((PyLongObject *)o);
    PyObject *copy = _PyLong_Copy((PyLongObject *)o);
    return copy ? Py_BuildValue("inNk", is, is ? PyUnstable_Long_CompactValue((PyLongObject *)o) : 0, copy,
                                (unsigned long)(uintptr_t)PyLong_AsVoidPtr(copy))
                : NULL;
}

static PyObject *
fz_unpack_float(const char *s, Py_ssize_t n, int little)
{
    char b[8] = {0};
    memcpy(b, s, n < 8 ? n : 8);
    return Py_BuildValue("NN", PyFloat_FromDouble(PyFloat_Unpack4(b, little & 1)),
                         PyFloat_FromDouble(PyFloat_Unpack8(b, little & 1)));
}

static PyObject *
fz_complex_pow(double a, double b)
{
    Py_complex r = _Py_c_pow((Py_complex){a > 100 ? 2 : a, 1}, (Py_complex){b > 100 ? 3 : b, 0});
    PyObject *o = PyComplex_FromCComplex(r);
    PyObject *text = o ? PyObject_Format(o, PyUnicode_FromString(".10g")) : NULL;
    Py_XDECREF(o);
    return text;
}

static PyObject *
fz_hash(const char *s, Py_ssize_t n, double d, PyObject *o)
{
    return n < 0 ? NONE
                 : Py_BuildValue("nnis", Py_HashBuffer(s, n), o ? _Py_HashDouble(o, d) : 0,
                                 Py_HashPointer(s) == Py_HashPointer(s), PyHash_GetFuncDef()->name);
}

/* --- containers -------------------------------------------------------------------------------- */

static PyObject *
fz_dict_next(PyObject *o, Py_ssize_t pos)
{
    if (!o || pos < 0 || pos > 1000) {
        return NONE;
    }
    PyObject *key, *value, *list = PyList_New(0);
    while (list && PyDict_Next(o, &pos, &key, &value)) {
        PyList_Append(list, key);
        PyList_Append(list, value);
    }
    return list;
}

static PyObject *
fz_set_next(PyObject *o)
{
    Py_ssize_t pos = 0, n = 0;
    PyObject *key;
    Py_hash_t hash;
    if (!o) {
        return NONE;
    }
    int rc;
    while ((rc = _PySet_NextEntry(o, &pos, &key, &hash)) > 0) {
        n++;
    }
    return rc < 0 ? NULL : PyLong_FromSsize_t(n);
}

static PyObject *
fz_odict(PyObject *o, PyObject *key, PyObject *value)
{
    if (!o || !PyODict_Check(o) || !key || !value) {
        return NONE;
    }
    int rc = chance(50) ? PyODict_SetItem(o, key, value) : PyODict_DelItem(o, key);
    return rc < 0 ? NULL : PyObject_Repr(o);
}

static PyObject *watched;

static int
watch_dict(PyDict_WatchEvent event, PyObject *dict, PyObject *key, PyObject *value)
{
    PyObject *e = Py_BuildValue("iOO", (int)event, key ? key : Py_None, value ? value : Py_None);
    if (e && watched) {
        PyList_Append(watched, e);
    }
    Py_XDECREF(e);
    return 0;
}

static PyObject *
fz_dict_watcher(PyObject *o, PyObject *key, int wrong)
{
    int id = PyDict_AddWatcher(watch_dict);
    if (!o || id < 0 || PyDict_Watch(wrong == 5 ? 70 : id, o) < 0) {
        if (id >= 0) {
            PyObject *exc = PyErr_GetRaisedException();
            PyDict_ClearWatcher(id);
            PyErr_SetRaisedException(exc);
        }
        return o ? NULL : NONE;
    }
    watched = PyList_New(0);
    if (key) {
        PyDict_SetItem(o, key, Py_True);
        PyErr_Clear();
        PyDict_DelItem(o, key);
        PyErr_Clear();
    }
    PyObject *r = Py_BuildValue("Oi", watched, PyDict_Unwatch(wrong == 6 ? -1 : id, o));
    PyErr_Clear();
    PyDict_Unwatch(id, o);
    PyDict_ClearWatcher(id);
    Py_CLEAR(watched);
    return r;
}

static PyObject *
fz_tuple_set(Py_ssize_t at, PyObject *o, PyObject *shared)
{
    PyObject *t = shared && chance(20) ? Py_NewRef(shared) : Py_BuildValue("(ii)", 1, 2);
    if (t && PyTuple_SetItem(t, at, Py_XNewRef(o ? o : Py_None)) < 0) {
        Py_CLEAR(t);
    }
    return t;
}

static PyObject *
fz_get_indices_ex(PyObject *o, Py_ssize_t length)
{
    Py_ssize_t a, b, c, n;
    if (!o || !PySlice_Check(o) || length < 0) {
        return NONE;
    }
    return (PySlice_GetIndicesEx)(o, length, &a, &b, &c, &n) < 0 ? NULL : Py_BuildValue("nnnn", a, b, c, n);
}

static PyObject *
fz_structseq(Py_ssize_t at, PyObject *o)
{
    static PyStructSequence_Field fields[] = {{"one", "doc"}, {"two", NULL}, {NULL, NULL}, {NULL}};
    static PyStructSequence_Desc desc = {"capifuzz.Seq", "docs", fields, 2};
    PyTypeObject *type = at < 0 || at > 1 ? NULL : PyStructSequence_NewType(&desc);
    PyObject *s = type ? PyStructSequence_New(type) : NULL;
    if (!s) {
        Py_XDECREF(type);
        return type ? NULL : NONE;
    }
    PyStructSequence_SetItem(s, 1 - at, Py_NewRef(Py_None));
    PyStructSequence_SetItem(s, at, Py_NewRef(o ? o : Py_True));
    PyObject *r = Py_BuildValue("NNO", PyObject_Repr(s), PySequence_List(s), PyStructSequence_GetItem(s, at));
    Py_DECREF(s);
    Py_DECREF(type);
    return r;
}

/* --- types and their objects ------------------------------------------------------------------- */

typedef struct Made {
    PyObject_HEAD
    char c;
    signed char b;
    unsigned char B;
    short h;
    unsigned short H;
    int i;
    unsigned I;
    long l;
    unsigned long k;
    float f;
    double d;
    char *s;
    char in[8];
    char t;
    PyObject *o, *x;
    long long q;
    unsigned long long K;
    Py_ssize_t n;
} Made;

static PyMemberDef made_members[] = {
    {"c", Py_T_CHAR, offsetof(Made, c), 0, "a char"},      {"b", Py_T_BYTE, offsetof(Made, b), 0, NULL},
    {"B", Py_T_UBYTE, offsetof(Made, B), 0, NULL},         {"h", Py_T_SHORT, offsetof(Made, h), 0, NULL},
    {"H", Py_T_USHORT, offsetof(Made, H), 0, NULL},        {"i", Py_T_INT, offsetof(Made, i), 0, NULL},
    {"I", Py_T_UINT, offsetof(Made, I), 0, NULL},          {"l", Py_T_LONG, offsetof(Made, l), 0, NULL},
    {"k", Py_T_ULONG, offsetof(Made, k), 0, NULL},         {"f", Py_T_FLOAT, offsetof(Made, f), 0, NULL},
    {"d", Py_T_DOUBLE, offsetof(Made, d), 0, NULL},        {"s", Py_T_STRING, offsetof(Made, s), 0, NULL},
    {"in", Py_T_STRING_INPLACE, offsetof(Made, in), 0, NULL}, {"t", Py_T_BOOL, offsetof(Made, t), 0, NULL},
    {"o", _Py_T_OBJECT, offsetof(Made, o), 0, NULL},       {"x", Py_T_OBJECT_EX, offsetof(Made, x), 0, NULL},
    {"q", Py_T_LONGLONG, offsetof(Made, q), 0, NULL},      {"K", Py_T_ULONGLONG, offsetof(Made, K), 0, NULL},
    {"n", Py_T_PYSSIZET, offsetof(Made, n), 0, NULL},      {"r", Py_T_INT, offsetof(Made, i), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *made_get(PyObject *o, void *closure) { return PyUnicode_FromString(closure); }
static int made_set(PyObject *o, PyObject *v, void *closure)
{
    PyErr_SetString(PyExc_ValueError, v ? "set" : "deleted");
    return -1;
}
static PyGetSetDef made_getset[] = {{"g", made_get, made_set, "doc", "closure"}, {"ro", made_get, NULL, NULL, "ro"},
                                    {NULL, NULL, NULL, NULL, NULL}};
static PyObject *made_noargs(PyObject *o, PyObject *none) { return PyUnicode_FromString("noargs"); }
static PyObject *made_varargs(PyObject *o, PyObject *args) { return Py_NewRef(args); }
static PyObject *made_keywords(PyObject *o, PyObject *args, PyObject *kw) { return PyTuple_Pack(2, args, kw ? kw : Py_None); }
static PyObject *made_fast(PyObject *o, PyObject *const *a, Py_ssize_t n) { return PyLong_FromSsize_t(n); }
static PyObject *made_fastkw(PyObject *o, PyObject *const *a, Py_ssize_t n, PyObject *kw)
{
    return Py_BuildValue("nO", n, kw ? kw : Py_None);
}
static PyObject *made_method(PyObject *o, PyTypeObject *cls, PyObject *const *a, Py_ssize_t n, PyObject *kw)
{
    return Py_BuildValue("Os", kw ? kw : Py_None, cls->tp_name);
}
static PyMethodDef made_defs[] = {
    {"noargs", made_noargs, METH_NOARGS, "noargs($self)\n--\n\nDoc."},
    {"varargs", made_varargs, METH_VARARGS, NULL},
    {"keywords", (PyCFunction)(void *)made_keywords, METH_VARARGS | METH_KEYWORDS, "Text."},
    {"fast", (PyCFunction)(void *)made_fast, METH_FASTCALL, NULL},
    {"fastkw", (PyCFunction)(void *)made_fastkw, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"o", spec_method, METH_O, NULL},
    {"method", (PyCFunction)(void *)made_method, METH_METHOD | METH_FASTCALL | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject *
made_type(void)
{
    static PyTypeObject *type;
    if (!type) {
        static PyType_Slot slots[] = {{Py_tp_members, made_members}, {Py_tp_getset, made_getset},
                                      {Py_tp_methods, made_defs}, {0, NULL}};
        static PyType_Spec spec = {"capifuzz.Made", sizeof(Made), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
        type = (PyTypeObject *)PyType_FromSpec(&spec);
    }
    return type;
}

static PyObject *
fz_member(int which, PyObject *value)
{
    PyTypeObject *type = made_type();
    PyMemberDef *d = &made_members[(unsigned)which % 20];
    Made *m = (Made *)PyType_GenericAlloc(type, 0);
    strcpy(m->in, "inline");
    PyObject *r = NULL;
    if (PyMember_SetOne((char *)m, d, value) == 0) {
        PyObject *got = PyMember_GetOne((char *)m, d);
        r = got ? Py_BuildValue("sN", d->name, got) : NULL;
    }
    Py_CLEAR(m->o);
    Py_CLEAR(m->x);
    Py_DECREF(m);
    return r;
}

static PyObject *
fz_made(const char *name, PyObject *a, PyObject *value)
{
    static const char *const names[] = {"c", "b", "H", "i", "l", "f", "s", "in", "t", "x", "n", "g", "ro", "noargs", "fast",
                                        "fastkw", "method", "varargs", "keywords", "o"};
    PyObject *m = PyType_GenericNew(made_type(), NULL, NULL);
    const char *attr = PICK(names);
    put("[%s]", attr);
    PyObject *r = NULL;
    if (PyObject_SetAttrString(m, attr, value) < 0 && chance(50)) {
        goto end;
    }
    PyErr_Clear();
    PyObject *got = PyObject_GetAttrString(m, attr);
    r = got && PyCallable_Check(got) && !PyType_Check(got) && Py_IS_TYPE(got, &PyCFunction_Type) && a
            ? PyObject_CallFunctionObjArgs(got, a, value, NULL)
            : Py_XNewRef(got);
    Py_XDECREF(got);
end:
    Py_XDECREF(((Made *)m)->x);
    ((Made *)m)->x = NULL;
    Py_DECREF(m);
    if (r && PyObject_TypeCheck(r, made_type())) {
        Py_SETREF(r, PyUnicode_FromString("self"));
    }
    return r;
}

static PyObject *
fz_descr(int which, PyTypeObject *type, PyObject *self)
{
    PyObject *d = which % 5 == 0   ? PyDescr_NewMethod(made_type(), &made_defs[which % 7])
                  : which % 5 == 1 ? PyDescr_NewClassMethod(type, &made_defs[which % 7])
                  : which % 5 == 2 ? PyDescr_NewMember(made_type(), &made_members[which % 20])
                  : which % 5 == 3 ? PyDescr_NewGetSet(made_type(), &made_getset[which & 1])
                                   : NULL;
    if (!d) {
        return which % 5 == 4 ? NONE : NULL;
    }
    PyObject *made = PyType_GenericNew(made_type(), NULL, NULL);
    descrgetfunc get = Py_TYPE(d)->tp_descr_get;
    PyObject *r = get(d, which & 8 && self ? self : made, (PyObject *)made_type());
    if (r && Py_TYPE(r) == &PyCFunction_Type) {
        Py_SETREF(r, PyObject_CallNoArgs(r));
    }
    PyObject *shown = r ? Py_BuildValue("NiN", PyObject_Repr(d), PyDescr_IsData(d), PyObject_Str(r)) : NULL;
    Py_XDECREF(r);
    Py_DECREF(made);
    Py_DECREF(d);
    return shown;
}

static PyObject *
fz_cfunction(int which, PyObject *self, PyObject *args, PyObject *kw)
{
    PyMethodDef *def = &made_defs[(unsigned)which % 7];
    PyObject *module = which & 16 ? PyUnicode_FromString("mod") : NULL;
    PyObject *f = PyCMethod_New(def, self, module, def->ml_flags & METH_METHOD || which & 32 ? made_type() : NULL);
    Py_XDECREF(module);
    if (!f) {
        return NULL;
    }
    PyObject *r = NULL;
    if (args && PyTuple_Check(args) && (!kw || PyDict_Check(kw))) {
        PyObject *x = which & 64 && PyVectorcall_Function(f) ? PyVectorcall_Call(f, args, kw) : PyCFunction_Call(f, args, kw);
        if (x) {
            r = Py_BuildValue("OiiN", x, PyCFunction_GetFunction(f) == def->ml_meth, PyCFunction_GetFlags(f),
                              PyObject_GetAttrString(f, "__module__"));
            Py_DECREF(x);
        }
    }
    else {
        r = Py_BuildValue("NN", PyObject_GetAttrString(f, "__qualname__"), PyObject_GetAttrString(f, "__doc__"));
    }
    Py_DECREF(f);
    return r;
}

static PyObject *
fz_cfunction_short(int which, PyObject *self)
{
    PyMethodDef *def = &made_defs[(unsigned)which % 6];
    PyObject *f = which & 8 ? (PyCFunction_New)(def, self) : (PyCFunction_NewEx)(def, self, self);
    PyObject *r = f ? PyObject_CallNoArgs(f) : NULL;
    Py_XDECREF(f);
    return r;
}

static int extra_token;

static PyObject *
fz_metaclass(PyObject *meta, PyObject *bases, const char *name, int which)
{
    PyType_Slot slots[] = {{Py_tp_doc, (void *)"Spec(x)\n--\n\nDoc."}, {Py_tp_methods, made_defs},
                           {Py_tp_token, which & 1 ? Py_TP_USE_SPEC : (void *)&extra_token}, {0, NULL}};
    PyType_Spec spec = {name, which == 3 ? -16 : which == 4 ? 5000 : 0, which == 5 ? 8 : 0,
                        Py_TPFLAGS_DEFAULT | (which & 2 ? Py_TPFLAGS_BASETYPE : 0) |
                            (which == 6 ? Py_TPFLAGS_IMMUTABLETYPE : 0),
                        slots};
    if (!name || (meta && !PyType_Check(meta)) || (which == 6 && bases && !PyType_Check(bases))) { /* not checked */
        return NONE;
    }
    PyObject *t = PyType_FromMetaclass((PyTypeObject *)meta, NULL, &spec, bases);
    if (!t) {
        return NULL;
    }
    PyTypeObject *base = NULL;
    int found = PyType_GetBaseByToken((PyTypeObject *)t, &extra_token, &base);
    PyObject *r = Py_BuildValue("OinNi", t, found, which == 3 ? PyType_GetTypeDataSize((PyTypeObject *)t) : -1,
                                PyObject_GetAttrString(t, "__text_signature__"),
                                PyType_GetSlot((PyTypeObject *)t, Py_tp_methods) == made_defs);
    Py_XDECREF(base);
    Py_DECREF(t);
    return r;
}

static PyObject *
fz_get_slot(PyTypeObject *type, int slot)
{
    void *p = PyType_GetSlot(type, slot);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(p != NULL);
}

static PyObject *
fz_get_module(PyTypeObject *type, int which)
{
    static PyModuleDef def = {PyModuleDef_HEAD_INIT, .m_name = "unknown"};
    if (which % 3 == 2) {
        void *p = PyType_GetModuleState(type);
        return PyErr_Occurred() ? NULL : PyBool_FromLong(p != NULL);
    }
    PyObject *m = which & 1 ? PyType_GetModuleByDef(type, &def) : PyType_GetModule(type);
    return Py_XNewRef(m);
}

static PyObject *type_events;

static int
watch_type(PyTypeObject *type)
{
    PyObject *s = PyUnicode_FromString(type->tp_name);
    if (s && type_events) {
        PyList_Append(type_events, s);
    }
    Py_XDECREF(s);
    return 0;
}

static PyObject *
fz_type_watcher(PyObject *o, const char *attr, PyObject *value, int wrong)
{
    int id = PyType_AddWatcher(watch_type);
    PyObject *fresh = PyObject_CallFunction((PyObject *)&PyType_Type, "s(){}", "Watched");
    PyObject *type = o && wrong == 3 ? o : fresh;
    PyObject *r = NULL;
    type_events = PyList_New(0);
    PyUnstable_Type_AssignVersionTag((PyTypeObject *)fresh);
    if (PyType_Watch(wrong == 4 ? 99 : id, type) == 0) {
        if (attr && PyObject_SetAttrString(fresh, attr, value) < 0) {
            PyErr_Clear();
        }
        PyType_Modified((PyTypeObject *)fresh);
        int rc = PyType_Unwatch(wrong == 5 ? -3 : id, type);
        r = rc < 0 ? NULL : Py_BuildValue("O", type_events);
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyType_Unwatch(id, fresh);
    PyType_ClearWatcher(id);
    Py_CLEAR(type_events);
    Py_XDECREF(fresh);
    PyErr_SetRaisedException(exc);
    return r;
}

static PyObject *
fz_freeze(PyObject *bases, const char *attr)
{
    PyObject *t = bases && PyTuple_Check(bases)
                      ? PyObject_CallFunction((PyObject *)&PyType_Type, "sO{}", "Frozen", bases)
                      : PyObject_CallFunction((PyObject *)&PyType_Type, "s(){}", "Frozen");
    if (!t || PyType_Freeze((PyTypeObject *)t) < 0 || !attr || PyObject_SetAttrString(t, attr, Py_None) < 0) {
        Py_XDECREF(t);
        return PyErr_Occurred() ? NULL : NONE;
    }
    return t;
}

static PyObject *
fz_managed(PyObject *o, PyObject *value)
{
    if (!o || !(Py_TYPE(o)->tp_flags & Py_TPFLAGS_HEAPTYPE) || PyType_Check(o)) {
        return NONE;
    }
    PyObject **p = _PyObject_GetDictPtr(o);
    PyObject *d = p || Py_TYPE(o)->tp_dictoffset ? PyObject_GenericGetDict(o, NULL) : NULL;
    PyErr_Clear();
    int rc = d ? PyObject_GenericSetDict(o, value, NULL) : -7;
    PyObject *r = rc == -1 ? NULL : Py_BuildValue("OiO", d ? d : Py_None, rc, PyErr_Occurred() ? Py_True : Py_False);
    Py_XDECREF(d);
    return r;
}

static PyObject *
fz_gc(PyObject *o)
{
    return !o ? NONE
              : Py_BuildValue("iiiii", PyObject_GC_IsTracked(o), PyObject_GC_IsFinalized(o), PyUnstable_IsImmortal(o),
                              PyObject_IS_GC(o), PyType_SUPPORTS_WEAKREFS(Py_TYPE(o)) != 0);
}

static int visits;
static int count_visit(PyObject *o, void *list) { return visits += o == list, 1; }

static PyObject *
fz_gc_switch(int which)
{
    int before = which & 1 ? PyGC_Disable() : PyGC_Enable();
    int now = PyGC_IsEnabled();
    PyObject *list = PyList_New(0);
    visits = 0;
    PyUnstable_GC_VisitObjects((gcvisitobjects_t)count_visit, list);
    Py_DECREF(list);
    PyGC_Enable();
    return Py_BuildValue("iii", before, now, visits);
}

static PyObject *
fz_special(PyObject *o, int which)
{
    if (!o) {
        return NONE;
    }
    switch (which % 7) {
    case 0: return PyObject_SelfIter(o);
    case 1: return PyObject_HashNotImplemented(o) == -1 ? NULL : NONE;
    case 2: return PyBool_FromLong(PyObject_GenericHash(o) == PyObject_GenericHash(o));
    case 3: return PyBool_FromLong(PyObject_CheckReadBuffer(o));
    case 4: return PyBool_FromLong(Py_Is(o, Py_None) + Py_IsNone(o) + Py_IsTrue(o) + Py_IsFalse(o));
    case 5: return Py_NewRef(Py_TYPE(o));
    default: return PyBool_FromLong(PyUnstable_Object_IsUniquelyReferenced(o));
    }
}

static PyObject *
fz_repr_enter(PyObject *o)
{
    int a = o ? Py_ReprEnter(o) : -7, b = o ? Py_ReprEnter(o) : -7;
    if (o) {
        Py_ReprLeave(o);
        Py_ReprLeave(o);
    }
    return a < 0 && o ? NULL : Py_BuildValue("ii", a, b);
}

static PyObject *
fz_print(PyObject *o, int flags)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    int rc = PyObject_Print(o, f, flags & 1 ? Py_PRINT_RAW : 0);
    fclose(f);
    PyObject *r = rc < 0 ? NULL : PyUnicode_DecodeUTF8(text, n > 60 ? 60 : (Py_ssize_t)n, "replace");
    if (r && strstr(text, "0x")) {
        Py_SETREF(r, NONE); /* an address */
    }
    free(text);
    return r;
}

static PyObject *
fz_weakrefs(PyObject *o, PyObject *callback)
{
    PyObject *ref = o ? PyWeakref_NewRef(o, callback == Py_None ? NULL : callback) : NONE;
    if (!ref || !o) {
        return ref;
    }
    PyObject **list = PyObject_GET_WEAKREFS_LISTPTR(o);
    PyObject *r = Py_BuildValue("iO", *list != NULL, PyWeakref_GetObject(ref) == o ? Py_True : Py_False);
    Py_DECREF(ref);
    return r;
}

static PyObject *
fz_iter_codes(PyObject *o)
{
    if (!o || !PyCode_Check(o)) {
        return NONE;
    }
    int a = -7, b = -7, c = -7, d = -7;
    int rc = PyCode_Addr2Location((PyCodeObject *)o, 4, &a, &b, &c, &d);
    PyObject *code = PyCode_GetCode((PyCodeObject *)o);
    PyObject *r = Py_BuildValue("iiiiin", rc, a, b, c, d, PyBytes_GET_SIZE(code));
    Py_DECREF(code);
    return r;
}

static PyObject *
fz_code_new(PyObject *o, PyObject *name, PyObject *names, int argcount, int more)
{
    if (!o || !PyCode_Check(o) || !name || !names) {
        return NONE;
    }
    PyCodeObject *c = (PyCodeObject *)o;
    PyObject *code = PyCode_GetCode(c), *vars = PyCode_GetVarnames(c), *cells = PyCode_GetCellvars(c),
             *frees = PyCode_GetFreevars(c);
    PyObject *r = argcount > 5 || argcount < 0
                      ? NONE
                      : (PyObject *)PyUnstable_Code_NewWithPosOnlyArgs(
                            argcount, more % 3, more & 1, (int)PyTuple_GET_SIZE(vars), c->co_stacksize, c->co_flags, code,
                            c->co_consts, names, vars, frees, cells, c->co_filename, name, c->co_qualname, 7,
                            c->co_linetable, c->co_exceptiontable);
    Py_DECREF(code);
    Py_DECREF(vars);
    Py_DECREF(cells);
    Py_DECREF(frees);
    return r;
}

static PyObject *
fz_code_extra(PyObject *o, Py_ssize_t bad)
{
    static Py_ssize_t index = -1;
    if (index < 0) {
        index = PyUnstable_Eval_RequestCodeExtraIndex(NULL);
    }
    void *p = NULL;
    if (!o) {
        return NONE;
    }
    if (PyUnstable_Code_SetExtra(o, bad < 0 ? 200 : index, &extra_token) < 0 ||
        PyUnstable_Code_GetExtra(o, index, &p) < 0) {
        return NULL;
    }
    PyUnstable_Code_SetExtra(o, index, NULL);
    return PyBool_FromLong(p == &extra_token);
}

static PyObject *
fz_function_new(PyObject *code, PyObject *globals, PyObject *name)
{
    if (!code || !PyCode_Check(code) || !globals || !PyDict_CheckExact(globals) || (name && !PyUnicode_Check(name))) {
        return NONE;
    }
    return name ? PyFunction_NewWithQualName(code, globals, name) : PyFunction_New(code, globals);
}

static PyObject *function_events, *function_code;
static PyFunctionObject *watched_function;

static int
watch_function(PyFunction_WatchEvent event, PyFunctionObject *f, PyObject *value)
{
    if (event == PyFunction_EVENT_CREATE && !watched_function && f->func_code == function_code) {
        watched_function = f;
    }
    if (f != watched_function) {
        return 0; /* what runs meanwhile makes functions, too */
    }
    PyObject *e = PyLong_FromLong(event);
    if (e && function_events) {
        PyList_Append(function_events, e);
    }
    Py_XDECREF(e);
    return 0;
}

static PyObject *
fz_function_watcher(PyObject *code, PyObject *value, const char *attr, int wrong)
{
    int id = PyFunction_AddWatcher(watch_function);
    PyObject *globals = PyDict_New();
    function_events = PyList_New(0);
    function_code = code;
    watched_function = NULL;
    PyObject *f = code && PyCode_Check(code) ? PyFunction_New(code, globals) : NULL;
    static const char *const attrs[] = {"__defaults__", "__kwdefaults__", "__code__", "__dict__", "__name__"};
    const char *name = PICK(attrs);
    if (f && PyObject_SetAttrString(f, name, value) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(f);
    PyErr_Clear();
    int rc = PyFunction_ClearWatcher(wrong == 3 ? 50 : wrong == 4 ? -1 : id);
    PyObject *r = rc < 0 ? NULL : Py_BuildValue("sO", name, function_events);
    PyObject *exc = PyErr_GetRaisedException();
    Py_CLEAR(function_events);
    PyFunction_ClearWatcher(id);
    PyErr_Clear();
    Py_DECREF(globals);
    PyErr_SetRaisedException(exc);
    return r;
}

static PyObject *
fz_constant(unsigned which)
{
    return Py_XNewRef(Py_GetConstantBorrowed(which));
}

static PyObject *
fz_refs(PyObject *o)
{
    if (!o) {
        return NONE;
    }
    Py_ssize_t before = (Py_REFCNT)(o);
    (Py_IncRef)(o);
    Py_ssize_t with = Py_REFCNT(o);
    (Py_DecRef)(o);
    PyUnstable_EnableTryIncRef(o);
    int tried = PyUnstable_TryIncRef(o);
    if (tried) {
        Py_DECREF(o);
    }
    return Py_BuildValue("nin", with - before, tried, Py_REFCNT(o) - before);
}

static PyObject *
fz_marshal(PyObject *o, int version, Py_ssize_t cut)
{
    PyObject *b = PyMarshal_WriteObjectToString(o, version % 6);
    if (!b) {
        return NULL;
    }
    Py_ssize_t n = PyBytes_GET_SIZE(b);
    PyObject *r = PyMarshal_ReadObjectFromString(PyBytes_AS_STRING(b), cut >= 0 && cut < n && cut < 4 ? cut : n);
    Py_DECREF(b);
    return r;
}

static PyObject *
fz_unmarshal(const char *s, Py_ssize_t n)
{
    return n < 0 ? NONE : PyMarshal_ReadObjectFromString(s, n);
}

static PyObject *
fz_marshal_file(PyObject *o, long n)
{
    FILE *f = tmpfile();
    PyMarshal_WriteLongToFile(n, f, 4);
    PyMarshal_WriteLongToFile(n, f, 4);
    PyMarshal_WriteObjectToFile(o, f, 4);
    PyMarshal_WriteObjectToFile(Py_True, f, 4);
    PyObject *r = NULL;
    if (!PyErr_Occurred()) {
        rewind(f);
        long a = PyMarshal_ReadLongFromFile(f), b = PyMarshal_ReadShortFromFile(f), c = PyMarshal_ReadShortFromFile(f);
        PyObject *x = PyMarshal_ReadObjectFromFile(f);
        PyObject *y = x ? PyMarshal_ReadLastObjectFromFile(f) : NULL;
        r = y ? Py_BuildValue("lllNN", a, b, c, x, y) : (Py_XDECREF(x), NULL);
    }
    fclose(f);
    return r;
}

static const Wrapper object_wrappers[] = {
#define W(f) {#f, (void *)(f)}
    W(fz_buffer_fill), W(fz_buffer_strides), W(fz_buffer_from), W(fz_copy_data), W(fz_old_buffer), W(fz_pickle_buffer),
    W(fz_memory_functions), W(fz_formatv), W(fz_escape), W(fz_ucs4_copy), W(fz_as_wide), W(fz_copy_characters),
    W(fz_write_char), W(fz_unicode_resize), W(fz_locale), W(fz_decode_locale), W(fz_fs), W(fz_intern),
    W(fz_writer_more), W(fz_decode_error), W(fz_charmap), W(fz_text_compare), W(fz_strtol), W(fz_byte_array),
    W(fz_long_writer), W(fz_compact), W(fz_unpack_float), W(fz_complex_pow), W(fz_hash), W(fz_dict_next),
    W(fz_set_next), W(fz_dict_watcher), W(fz_odict), W(fz_tuple_set), W(fz_get_indices_ex), W(fz_structseq), W(fz_member),
    W(fz_made), W(fz_descr), W(fz_cfunction), W(fz_cfunction_short), W(fz_metaclass), W(fz_get_slot),
    W(fz_get_module), W(fz_type_watcher), W(fz_freeze), W(fz_managed), W(fz_gc), W(fz_gc_switch), W(fz_special),
    W(fz_repr_enter), W(fz_print), W(fz_weakrefs), W(fz_iter_codes), W(fz_code_new), W(fz_code_extra),
    W(fz_function_new), W(fz_function_watcher), W(fz_constant), W(fz_refs), W(fz_marshal), W(fz_unmarshal),
    W(fz_marshal_file),
#undef W
    {NULL, NULL},
};

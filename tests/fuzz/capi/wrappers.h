/* wrappers.h - parts of the API that no plain signature says: variadic functions, structures,
 * and objects that would be shown before they are filled. Included by capifuzz.c.
 * SPDX-License-Identifier: MIT
 */

static PyObject *
fz_list_new(Py_ssize_t n)
{
    PyObject *o = PyList_New(n);
    for (Py_ssize_t i = 0; o && i < n; i++) {
        PyList_SET_ITEM(o, i, Py_NewRef(Py_None));
    }
    return o;
}

static PyObject *
fz_tuple_new(Py_ssize_t n)
{
    PyObject *o = PyTuple_New(n);
    for (Py_ssize_t i = 0; o && i < n; i++) {
        PyTuple_SET_ITEM(o, i, Py_NewRef(Py_None));
    }
    return o;
}

static PyObject *
fz_unicode_new(Py_ssize_t n, Py_UCS4 max)
{
    PyObject *o = PyUnicode_New(n, max);
    if (o && n && PyUnicode_Fill(o, 0, n, max < 0x110000 && max > 0 ? max : 'x') < 0) {
        Py_CLEAR(o);
    }
    return o;
}

static PyObject *
fz_bytearray_resize(PyObject *o, Py_ssize_t n)
{
    if (!o || !PyByteArray_Check(o)) {
        return Py_NewRef(Py_None); /* not checked by the API */
    }
    Py_ssize_t before = PyByteArray_Size(o);
    if (PyByteArray_Resize(o, n) < 0) {
        return NULL;
    }
    if (n > before) {
        memset(PyByteArray_AS_STRING(o) + before, '.', (size_t)(n - before));
    }
    return Py_NewRef(o);
}

static PyObject *
fz_bytes_resize(PyObject *o, Py_ssize_t n)
{
    PyObject *b = o && PyBytes_Check(o) ? PyBytes_FromStringAndSize(PyBytes_AS_STRING(o), PyBytes_GET_SIZE(o))
                                        : Py_XNewRef(o);
    Py_ssize_t before = b && PyBytes_Check(b) ? PyBytes_GET_SIZE(b) : 0;
    if (!b || (PyBytes_Check(b) && before <= 1 && before != n)) {
        Py_XDECREF(b); /* shared by everybody */
        return Py_NewRef(Py_None);
    }
    if (_PyBytes_Resize(&b, n) < 0) {
        return NULL;
    }
    if (n > before) {
        memset(PyBytes_AS_STRING(b) + before, '.', (size_t)(n - before));
    }
    return b;
}

static PyObject *
fz_tuple_resize(PyObject *o, Py_ssize_t n)
{
    PyObject *t = o && PyTuple_CheckExact(o) ? PySequence_List(o) : Py_XNewRef(o);
    if (t && PyList_CheckExact(t) && t != o) {
        Py_SETREF(t, PyList_AsTuple(t));
    }
    Py_ssize_t before = t && PyTuple_Check(t) ? PyTuple_GET_SIZE(t) : 0;
    if (!t || n > 1000) {
        Py_XDECREF(t);
        return Py_NewRef(Py_None);
    }
    if (_PyTuple_Resize(&t, n) < 0) {
        return NULL;
    }
    for (Py_ssize_t i = before; i < n; i++) {
        if (!PyTuple_GET_ITEM(t, i)) {
            PyTuple_SET_ITEM(t, i, Py_NewRef(Py_None));
        }
    }
    return t;
}

/* Powers and shifts of small numbers only: others take all day or all memory. */
static int
is_large(PyObject *o)
{
    return o && PyLong_Check(o) && _PyLong_NumBits(o) > 9;
}
#define SMALL(name)                                                                                                    \
    static PyObject *fz_##name(PyObject *a, PyObject *b)                                                               \
    {                                                                                                                  \
        return is_large(b) ? Py_NewRef(Py_None) : name(a, b);                                                          \
    }
SMALL(PyNumber_Lshift)
SMALL(PyNumber_InPlaceLshift)

static PyObject *
fz_PyNumber_Power(PyObject *a, PyObject *b, PyObject *c)
{
    return is_large(b) ? Py_NewRef(Py_None) : PyNumber_Power(a, b, c);
}

static PyObject *
fz_PyNumber_InPlacePower(PyObject *a, PyObject *b, PyObject *c)
{
    return is_large(b) ? Py_NewRef(Py_None) : PyNumber_InPlacePower(a, b, c);
}

/* --- building and parsing --- */

static PyObject *
fz_build(int which, PyObject *o, long v, double d, const char *s)
{
    if (!o || !s) {
        return Py_NewRef(Py_None);
    }
    switch (which) {
    case 0: return Py_BuildValue("(iOd)", (int)v, o, d);
    case 1: return Py_BuildValue("[sO]", s, o);
    case 2: return Py_BuildValue("{s:O,s:l}", s, o, "l", v);
    case 3: return Py_BuildValue("{O:i}", o, 1);
    case 4: return Py_BuildValue("(bhIkKL)", (char)v, (short)v, (unsigned)v, (unsigned long)v,
                                 (unsigned long long)v, (long long)v);
    case 5: return Py_BuildValue("(y#z#c)", s, (Py_ssize_t)strlen(s), s, (Py_ssize_t)strlen(s) / 2, (int)(v & 127));
    default: return Py_BuildValue("(N(f)p)", Py_NewRef(o), d, (int)v);
    }
}

static PyObject *
fz_build_bad(int which, PyObject *o)
{
    static const char *const formats[] = {"(i", "[O", "{O}", "O)", "?", "(O}", "{O:"};
    return o ? Py_BuildValue(formats[which], o, o) : Py_NewRef(Py_None);
}

static PyObject *
as_tuple(PyObject *o)
{
    return o && PyTuple_Check(o) ? Py_NewRef(o) : PyTuple_Pack(1, o ? o : Py_None);
}

#define PARSE(letter, type, format, arg)                                                                               \
    static PyObject *fz_parse_##letter(PyObject *o)                                                                    \
    {                                                                                                                  \
        PyObject *t = as_tuple(o);                                                                                     \
        type v = 0;                                                                                                    \
        int ok = t && PyArg_ParseTuple(t, format ":f", &v);                                                            \
        Py_XDECREF(t);                                                                                                 \
        return ok ? Py_BuildValue(arg, v) : NULL;                                                                      \
    }
PARSE(b, unsigned char, "b", "B")
PARSE(B, unsigned char, "B", "B")
PARSE(h, short, "h", "h")
PARSE(H, unsigned short, "H", "H")
PARSE(i, int, "i", "i")
PARSE(I, unsigned, "I", "I")
PARSE(l, long, "l", "l")
PARSE(k, unsigned long, "k", "k")
PARSE(L, long long, "L", "L")
PARSE(K, unsigned long long, "K", "K")
PARSE(n, Py_ssize_t, "n", "n")
PARSE(f, float, "f", "f")
PARSE(d, double, "d", "d")
PARSE(C, int, "C", "C")
PARSE(c, char, "c", "c")
PARSE(p, int, "p", "i")
PARSE(s, const char *, "s", "y")
PARSE(z, const char *, "z", "y")
PARSE(y, const char *, "y", "y")

#define PARSE_OBJECT(name, ...)                                                                                        \
    static PyObject *fz_parse_##name(PyObject *o)                                                                      \
    {                                                                                                                  \
        PyObject *t = as_tuple(o), *v = NULL;                                                                          \
        int ok = t && PyArg_ParseTuple(t, __VA_ARGS__);                                                                \
        v = ok ? Py_XNewRef(v) : NULL;                                                                                 \
        Py_XDECREF(t);                                                                                                 \
        return ok && !v ? Py_NewRef(Py_None) : v;                                                                      \
    }
PARSE_OBJECT(O, "O", &v)
PARSE_OBJECT(opt, "|O:opt", &v)
PARSE_OBJECT(dict, "O!", &PyDict_Type, &v)
PARSE_OBJECT(U, "U", &v)
PARSE_OBJECT(S, "S", &v)
PARSE_OBJECT(Y, "Y", &v)
PARSE_OBJECT(bad, "Q", &v)
PARSE_OBJECT(message, "O!;a dict it must be", &PyDict_Type, &v)

static PyObject *
fz_parse_nested(PyObject *o)
{
    PyObject *t = as_tuple(o), *a, *b, *r = NULL;
    PyObject *inner = t && PyTuple_GET_SIZE(t) ? PyTuple_GET_ITEM(t, 0) : Py_None;
    int keeps = !PySequence_Check(inner) || PyTuple_Check(inner) || PyList_Check(inner); /* items that are borrowed */
    if (t && keeps && PyArg_ParseTuple(t, "(OO):nested", &a, &b)) {
        r = PyTuple_Pack(2, b, a);
    }
    Py_XDECREF(t);
    return r;
}

static PyObject *
fz_parse_buffer(PyObject *o)
{
    PyObject *t = as_tuple(o), *r = NULL;
    Py_buffer view;
    if (t && PyArg_ParseTuple(t, "y*:buffer", &view)) {
        r = PyBytes_FromStringAndSize(view.buf, view.len);
        PyBuffer_Release(&view);
    }
    Py_XDECREF(t);
    return r;
}

static PyObject *
fz_parse_text_size(PyObject *o)
{
    PyObject *t = as_tuple(o), *r = NULL;
    const char *s;
    Py_ssize_t n;
    if (t && PyArg_ParseTuple(t, "s#", &s, &n)) {
        r = PyBytes_FromStringAndSize(s, n);
    }
    Py_XDECREF(t);
    return r;
}

static PyObject *
fz_parse_encoded(PyObject *o, const char *encoding)
{
    PyObject *t = as_tuple(o), *r = NULL;
    char *s = NULL;
    if (t && PyArg_ParseTuple(t, "es", encoding, &s)) {
        r = PyBytes_FromString(s);
        PyMem_Free(s);
    }
    Py_XDECREF(t);
    return r;
}

static PyObject *
fz_parse_keywords(PyObject *o, PyObject *kw)
{
    static char *names[] = {"", "a", "attr", "k", NULL};
    PyObject *t = as_tuple(o), *v[4] = {0}, *r = NULL;
    if (kw && !PyDict_Check(kw)) {
        kw = NULL;
    }
    if (t && PyArg_ParseTupleAndKeywords(t, kw, "O|O$OO:keywords", names, &v[0], &v[1], &v[2], &v[3])) {
        r = PyTuple_New(4);
        for (int i = 0; r && i < 4; i++) {
            PyTuple_SET_ITEM(r, i, Py_NewRef(v[i] ? v[i] : Py_None));
        }
    }
    Py_XDECREF(t);
    return r;
}

static PyObject *
fz_unpack(PyObject *o, Py_ssize_t min, Py_ssize_t max)
{
    PyObject *t = as_tuple(o), *v[12] = {0}, *r = NULL;
    if (t && PyArg_UnpackTuple(t, "unpack", min, max < 12 ? max : 12, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6],
                               &v[7], &v[8], &v[9], &v[10], &v[11])) {
        r = Py_NewRef(v[0] ? v[0] : Py_None);
    }
    Py_XDECREF(t);
    return r;
}

static PyObject *
fz_format(int which, PyObject *o, long v, const char *s)
{
    static const char *const formats[] = {"%S|%ld|%s", "%R|%lx|%.3s", "%A|%05ld|%10s", "%T|%-8ld|%-10s|",
                                          "%#T|%lu|%.0s", "%.2S|%li|%5.2s", "%12R|%lo|%s"};
    return o && s ? PyUnicode_FromFormat(formats[which], o, v, s) : Py_NewRef(Py_None);
}

static PyObject *
fz_bytes_format(int which, long v, const char *s)
{
    static const char *const formats[] = {"%s|%ld", "%.2s|%lx", "%10s|%05ld", "%c|%ld", "%%%s|%lu", "%zd|%s", "%s|%q"};
    return !s || which == 3 || which == 5 ? Py_NewRef(Py_None) : PyBytes_FromFormat(formats[which], s, v);
}

static PyObject *
fz_err_format(PyObject *type, PyObject *o, const char *s)
{
    return o && s && type ? PyErr_Format(type, "%R and %s", o, s) : Py_NewRef(Py_None);
}

static int
fz_warn_format(PyObject *category, PyObject *o, Py_ssize_t level)
{
    return o ? PyErr_WarnFormat(category, level, "%S", o) : 0;
}

/* --- calls --- */

static PyObject *
fz_call_function(PyObject *f, int which, PyObject *o)
{
    static const char *const formats[] = {NULL, "", "O", "(O)", "OO", "(OO)", "(O)O"};
    return o ? PyObject_CallFunction(f, formats[which], o, o) : Py_NewRef(Py_None);
}

static PyObject *
fz_call_method(PyObject *self, const char *name, PyObject *o)
{
    return o && name ? PyObject_CallMethod(self, name, "O", o) : Py_NewRef(Py_None);
}

static PyObject *
fz_call_objs(PyObject *f, PyObject *a, PyObject *b)
{
    return PyObject_CallFunctionObjArgs(f, a, b, NULL);
}

static PyObject *
fz_call_method_objs(PyObject *self, PyObject *name, PyObject *a)
{
    return PyObject_CallMethodObjArgs(self, name, a, NULL);
}

static PyObject *
fz_vectorcall(PyObject *f, PyObject *a, PyObject *b, int nargs)
{
    PyObject *args[] = {NULL, a, b, a};
    if (!f || !a || !b) {
        return Py_NewRef(Py_None);
    }
    return PyObject_Vectorcall(f, args + 1, (size_t)(nargs % 4) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

static PyObject *
fz_vectorcall_kw(PyObject *f, PyObject *a, PyObject *b, const char *name)
{
    if (!f || !a || !b || !name) {
        return Py_NewRef(Py_None);
    }
    PyObject *names = Py_BuildValue("(s)", name);
    PyObject *args[] = {a, b};
    PyObject *r = names ? PyObject_Vectorcall(f, args, 1, names) : NULL;
    Py_XDECREF(names);
    return r;
}

static PyObject *
fz_vectorcall_dict(PyObject *f, PyObject *a, PyObject *kw)
{
    if (!f || !a || (kw && !PyDict_Check(kw))) {
        return Py_NewRef(Py_None);
    }
    PyObject *args[] = {a};
    return PyObject_VectorcallDict(f, args, 1, kw);
}

static PyObject *
fz_vectorcall_method(PyObject *self, const char *name, PyObject *a)
{
    if (!self || !a || !name) {
        return Py_NewRef(Py_None);
    }
    PyObject *s = PyUnicode_FromString(name);
    PyObject *args[] = {self, a};
    PyObject *r = s ? PyObject_VectorcallMethod(s, args, 2, NULL) : NULL;
    Py_XDECREF(s);
    return r;
}

/* PyObject_Call requires a tuple, and a dict or NULL */
static PyObject *
fz_call(PyObject *f, PyObject *args, PyObject *kw)
{
    if (!args || !PyTuple_Check(args) || (kw && !PyDict_Check(kw))) {
        return Py_NewRef(Py_None);
    }
    return PyObject_Call(f, args, kw);
}

/* --- numbers --- */

static PyObject *
fz_native_bytes(PyObject *o, Py_ssize_t size, int flags)
{
    unsigned char buf[128];
    memset(buf, 0xaa, sizeof buf);
    if (!o || size > 100) {
        return Py_NewRef(Py_None);
    }
    Py_ssize_t n = PyLong_AsNativeBytes(o, buf, size, flags < 32 ? flags : -1);
    return n < 0 ? NULL : Py_BuildValue("ny#", n, buf, size > 0 ? size : (Py_ssize_t)0);
}

static PyObject *
fz_from_native_bytes(const char *s, Py_ssize_t n, int flags)
{
    return n < 0 ? Py_NewRef(Py_None) : PyLong_FromNativeBytes(s, (size_t)n, flags);
}

static PyObject *
fz_from_unsigned_native_bytes(const char *s, Py_ssize_t n, int flags)
{
    return n < 0 ? Py_NewRef(Py_None) : PyLong_FromUnsignedNativeBytes(s, (size_t)n, flags);
}

#define AS_INT(name, type, format)                                                                                     \
    static PyObject *fz_##name(PyObject *o)                                                                            \
    {                                                                                                                  \
        type v = 0;                                                                                                    \
        if (!o) {                                                                                                      \
            return Py_NewRef(Py_None);                                                                                 \
        }                                                                                                              \
        return name(o, &v) < 0 ? NULL : Py_BuildValue(format, v);                                                      \
    }
AS_INT(PyLong_AsInt32, int32_t, "i")
AS_INT(PyLong_AsUInt32, uint32_t, "I")
AS_INT(PyLong_AsInt64, int64_t, "L")
AS_INT(PyLong_AsUInt64, uint64_t, "K")

static PyObject *
fz_long_from_string(const char *s, int base)
{
    char *end = NULL;
    if (!s) {
        return Py_NewRef(Py_None);
    }
    PyObject *o = PyLong_FromString(s, &end, base);
    return o ? Py_BuildValue("Nn", o, end ? end - s : (Py_ssize_t)-1) : NULL;
}

static PyObject *
fz_long_export(PyObject *o)
{
    PyLongExport e;
    if (!o || PyLong_Export(o, &e) < 0) {
        return o ? NULL : Py_NewRef(Py_None);
    }
    PyObject *r = Py_BuildValue("LiOn", e.value, e.negative, e.digits ? Py_True : Py_False, e.digits ? e.ndigits : 0);
    PyLong_FreeExport(&e);
    return r;
}

static PyObject *
fz_complex(PyObject *o)
{
    Py_complex c = o ? PyComplex_AsCComplex(o) : (Py_complex){0, 0};
    return c.real == -1.0 && PyErr_Occurred() ? NULL : PyComplex_FromCComplex(c);
}

static PyObject *
fz_string_to_double(const char *s, PyObject *overflow)
{
    char *end = NULL;
    if (!s || (overflow && !PyExceptionClass_Check(overflow))) {
        return Py_NewRef(Py_None);
    }
    double d = PyOS_string_to_double(s, &end, overflow);
    return d == -1.0 && PyErr_Occurred() ? NULL : Py_BuildValue("dn", d, end - s);
}

static PyObject *
fz_double_to_string(double d, int precision, int format, int flags)
{
    static const char codes[] = "eEfFgGrx";
    if (precision > 100 || precision < 0) {
        return Py_NewRef(Py_None);
    }
    int type = -1;
    char *s = PyOS_double_to_string(d, codes[format], codes[format] == 'r' ? 0 : precision, flags % 16, &type);
    PyObject *r = s ? Py_BuildValue("si", s, type) : NULL;
    PyMem_Free(s);
    return r;
}

static PyObject *
fz_pack(double d, int le)
{
    unsigned char b2[2] = {0}, b4[4] = {0}, b8[8] = {0};
    int r2 = PyFloat_Pack2(d, (char *)b2, le & 1);
    if (r2 < 0) {
        return NULL;
    }
    if (PyFloat_Pack4(d, (char *)b4, le & 1) < 0 || PyFloat_Pack8(d, (char *)b8, le & 1) < 0) {
        return NULL;
    }
    return Py_BuildValue("y#y#y#d", b2, (Py_ssize_t)2, b4, (Py_ssize_t)4, b8, (Py_ssize_t)8,
                         PyFloat_Unpack2((char *)b2, le & 1));
}

/* --- buffers and memory --- */

static PyObject *
fz_get_buffer(PyObject *o, int flags)
{
    static const int all[] = {PyBUF_SIMPLE, PyBUF_WRITABLE, PyBUF_FORMAT | PyBUF_ND, PyBUF_STRIDES, PyBUF_FULL_RO,
                              PyBUF_C_CONTIGUOUS, PyBUF_READ};
    Py_buffer v;
    if (!o || PyObject_GetBuffer(o, &v, all[flags]) < 0) {
        return o ? NULL : Py_NewRef(Py_None);
    }
    PyObject *r = Py_BuildValue("niizniii", v.len, v.readonly, v.ndim, v.format, v.itemsize, PyBuffer_IsContiguous(&v, 'C'),
                                v.shape != NULL, v.strides != NULL);
    PyBuffer_Release(&v);
    return r;
}

static PyObject *
fz_contiguous(PyObject *o, int order)
{
    Py_buffer v;
    char out[64];
    memset(out, '-', sizeof out);
    if (!o || PyObject_GetBuffer(o, &v, PyBUF_FULL_RO) < 0) {
        return o ? NULL : Py_NewRef(Py_None);
    }
    int rc = v.len <= (Py_ssize_t)sizeof out ? PyBuffer_ToContiguous(out, &v, v.len, "CFA"[order % 3]) : 0;
    Py_ssize_t n = v.len <= (Py_ssize_t)sizeof out ? v.len : 0;
    PyBuffer_Release(&v);
    return rc < 0 ? NULL : PyBytes_FromStringAndSize(out, n);
}

static PyObject *
fz_memory(const char *s, Py_ssize_t n, int flags)
{
    return n < 0 ? Py_NewRef(Py_None) : PyMemoryView_FromMemory((char *)s, n, flags & 1 ? PyBUF_READ : flags);
}

/* PyMemoryView_GetContiguous aborts for a format it does not know; so does the reference */
static PyObject *
fz_get_contiguous(PyObject *o, int type, int order)
{
    return o ? PyMemoryView_GetContiguous(o, type & 1 ? PyBUF_READ : PyBUF_WRITE, "CFA"[order % 3])
             : Py_NewRef(Py_None);
}

static PyObject *
fz_bytes_as(PyObject *o, int with_size)
{
    char *s = NULL;
    Py_ssize_t n = -7;
    if (!o || PyBytes_AsStringAndSize(o, &s, with_size & 1 ? &n : NULL) < 0) {
        return o ? NULL : Py_NewRef(Py_None);
    }
    return Py_BuildValue("yn", s, n);
}

/* --- capsules, frames, functions, types --- */

static PyObject *
fz_capsule(const char *name, const char *asked, const char *renamed)
{
    PyObject *c = PyCapsule_New((void *)texts, name, NULL);
    if (!c) {
        return NULL;
    }
    if (PyCapsule_GetPointer(c, asked) != (void *)texts) {
        Py_DECREF(c);
        return NULL;
    }
    PyCapsule_SetName(c, renamed);
    PyCapsule_SetContext(c, c);
    PyObject *r = Py_BuildValue("zii", PyCapsule_GetName(c), PyCapsule_IsValid(c, asked), PyCapsule_GetContext(c) == c);
    Py_DECREF(c);
    return r;
}

static PyObject *
fz_capsule_pointer(PyObject *o, const char *name)
{
    void *p = PyCapsule_GetPointer(o, name);
    return p ? Py_NewRef(Py_True) : NULL;
}

/* A copy: what is changed in a type's own dict shows or not, as lookups are cached. */
static PyObject *
fz_type_dict(PyObject *type)
{
    PyObject *d = PyType_GetDict((PyTypeObject *)type), *copy = d ? PyDict_Copy(d) : NULL;
    Py_XDECREF(d);
    return copy;
}

static PyObject *
fz_capsule_import(const char *name)
{
    return name && PyCapsule_Import(name, 0) ? Py_NewRef(Py_True) : PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *
fz_frame(PyObject *o, const char *name)
{
    if (!o || !PyTraceBack_Check(o) || !name) {
        return Py_NewRef(Py_None);
    }
    PyObject *frame = PyObject_GetAttrString(o, "tb_frame");
    PyFrameObject *f = (PyFrameObject *)frame;
    PyObject *var = PyFrame_GetVarString(f, name), *globals = PyFrame_GetGlobals(f), *back = (PyObject *)PyFrame_GetBack(f);
    PyObject *gen = PyFrame_GetGenerator(f), *code = (PyObject *)PyFrame_GetCode(f);
    PyObject *r = var ? Py_BuildValue("OOiOii", var, code, globals != NULL, gen ? gen : Py_None, PyFrame_GetLineNumber(f) > 0,
                                      back == NULL)
                      : NULL;
    Py_XDECREF(var);
    Py_XDECREF(globals);
    Py_XDECREF(back);
    Py_XDECREF(gen);
    Py_XDECREF(code);
    Py_DECREF(frame);
    return r;
}

static PyObject *
fz_send(PyObject *it, PyObject *value)
{
    PyObject *out = NULL;
    if (!it || !value) {
        return Py_NewRef(Py_None);
    }
    PySendResult r = PyIter_Send(it, value, &out);
    return r == PYGEN_ERROR ? NULL : Py_BuildValue("iN", (int)r, out);
}

static PyObject *
fz_pack_tuple(int n, PyObject *a, PyObject *b)
{
    return a && b ? PyTuple_Pack(n % 3, a, b) : Py_NewRef(Py_None);
}

static PyObject *spec_method(PyObject *self, PyObject *arg) { return PyTuple_Pack(2, self, arg); }
static PyObject *spec_repr(PyObject *self) { return PyUnicode_FromString("<spec>"); }

static PyObject *
fz_from_spec(const char *name, PyObject *bases, int which)
{
    static PyMethodDef defs[] = {{"m", spec_method, METH_O, "m($self, x, /)\n--\n\nDoc."}, {NULL, NULL, 0, NULL}};
    PyType_Slot slots[] = {{Py_tp_methods, defs}, {Py_tp_repr, spec_repr}, {0, NULL}};
    if (which & 1) {
        slots[1].slot = which == 5 ? 999 : 0;
    }
    PyType_Spec spec = {name, which == 6 ? -(int)sizeof(void *) : 0, 0,
                        Py_TPFLAGS_DEFAULT | (which & 2 ? Py_TPFLAGS_BASETYPE : 0), slots};
    return name ? PyType_FromSpecWithBases(&spec, bases) : Py_NewRef(Py_None);
}

static PyObject *
fz_run_string(int start, PyObject *globals, PyObject *locals, int which)
{
    static const char *const sources[] = {"1+1", "x = 3", "a", "1/0", "(", "def f(): return attr\n", "[k for k in (1,2)]"};
    static const int starts[] = {Py_eval_input, Py_file_input, Py_single_input, Py_eval_input, Py_file_input, 0, 7};
    PyObject *g = globals && PyDict_CheckExact(globals) ? PyDict_Copy(globals) : Py_XNewRef(globals);
    if (!g || !locals) {
        Py_XDECREF(g);
        return Py_NewRef(Py_None);
    }
    PyObject *r = PyRun_String(sources[which], starts[start], g, locals);
    Py_DECREF(g);
    return r;
}

static PyObject *
fz_compile(const char *name, int which, int start, int optimize)
{
    static const char *const sources[] = {"1+1", "x = 3", "a", "if", "(", "def f(): return attr\n", "'\\d'"};
    static const int starts[] = {Py_eval_input, Py_file_input, Py_single_input, Py_func_type_input, 0, 7, -1};
    return name ? Py_CompileStringExFlags(sources[which], name, starts[start], NULL, optimize - 2) : Py_NewRef(Py_None);
}

static PyObject *
fz_slice_unpack(PyObject *o, Py_ssize_t length)
{
    Py_ssize_t a, b, c;
    if (!o || !PySlice_Check(o) || length < 0) {
        return Py_NewRef(Py_None);
    }
    if (PySlice_Unpack(o, &a, &b, &c) < 0) {
        return NULL;
    }
    Py_ssize_t n = PySlice_AdjustIndices(length, &a, &b, c);
    return Py_BuildValue("nnnn", a, b, c, n);
}

static PyObject *
fz_writer(const char *s, PyObject *o, unsigned ch, Py_ssize_t a, Py_ssize_t b)
{
    PyUnicodeWriter *w = PyUnicodeWriter_Create(a < 100 ? a : 3);
    if (!w || !s || !o) {
        if (w) {
            PyUnicodeWriter_Discard(w);
        }
        return w ? Py_NewRef(Py_None) : NULL;
    }
    if (PyUnicodeWriter_WriteUTF8(w, s, -1) < 0 || PyUnicodeWriter_WriteChar(w, ch) < 0 || PyUnicodeWriter_WriteStr(w, o) < 0 ||
        PyUnicodeWriter_WriteRepr(w, o) < 0 ||
        (PyUnicode_Check(o) && PyUnicodeWriter_WriteSubstring(w, o, a, b) < 0)) {
        PyUnicodeWriter_Discard(w);
        return NULL;
    }
    return PyUnicodeWriter_Finish(w);
}

static PyObject *
fz_wide(PyObject *o)
{
    Py_ssize_t n = 0;
    if (!o) {
        return Py_NewRef(Py_None);
    }
    wchar_t *w = PyUnicode_AsWideCharString(o, &n);
    PyObject *r = w ? PyUnicode_FromWideChar(w, n) : NULL;
    PyMem_Free(w);
    return r;
}

static PyObject *
fz_ucs4(PyObject *o, int null)
{
    Py_UCS4 buf[64];
    if (!o || !PyUnicode_Check(o)) {
        return Py_NewRef(Py_None);
    }
    return PyUnicode_AsUCS4(o, buf, null % 64, null & 1) ? PyUnicode_FromKindAndData(4, buf, PyUnicode_GET_LENGTH(o)) : NULL;
}

static PyObject *
fz_kind_data(int kind, const char *s, Py_ssize_t n)
{
    return kind == 2 || kind == 4 ? Py_NewRef(Py_None) : PyUnicode_FromKindAndData(kind, s, n);
}

typedef struct Wrapper {
    const char *name;
    void *address;
} Wrapper;

static const Wrapper wrappers[] = {
#define W(f) {#f, (void *)(f)}
#define R(f) {#f, (void *)fz_##f}
    W(fz_list_new), W(fz_tuple_new), W(fz_unicode_new), W(fz_bytearray_resize), W(fz_bytes_resize),
    W(fz_tuple_resize), R(PyNumber_Lshift), R(PyNumber_InPlaceLshift), R(PyNumber_Power),
    R(PyNumber_InPlacePower), W(fz_build), W(fz_build_bad), W(fz_parse_b), W(fz_parse_B), W(fz_parse_h),
    W(fz_parse_H), W(fz_parse_i), W(fz_parse_I), W(fz_parse_l), W(fz_parse_k), W(fz_parse_L), W(fz_parse_K),
    W(fz_parse_n), W(fz_parse_f), W(fz_parse_d), W(fz_parse_C), W(fz_parse_c), W(fz_parse_p), W(fz_parse_s),
    W(fz_parse_z), W(fz_parse_y), W(fz_parse_O), W(fz_parse_opt), W(fz_parse_dict), W(fz_parse_U),
    W(fz_parse_S), W(fz_parse_Y), W(fz_parse_bad), W(fz_parse_message), W(fz_parse_nested), W(fz_parse_buffer),
    W(fz_parse_text_size), W(fz_parse_encoded), W(fz_parse_keywords), W(fz_unpack), W(fz_format),
    W(fz_bytes_format), W(fz_err_format), W(fz_warn_format), W(fz_call_function), W(fz_call_method),
    W(fz_call_objs), W(fz_call_method_objs), W(fz_vectorcall), W(fz_vectorcall_kw), W(fz_vectorcall_dict),
    W(fz_vectorcall_method), W(fz_call), W(fz_native_bytes), W(fz_from_native_bytes),
    W(fz_from_unsigned_native_bytes), R(PyLong_AsInt32), R(PyLong_AsUInt32), R(PyLong_AsInt64),
    R(PyLong_AsUInt64), W(fz_long_from_string), W(fz_long_export), W(fz_complex), W(fz_string_to_double),
    W(fz_double_to_string), W(fz_pack), W(fz_get_buffer), W(fz_contiguous), W(fz_memory), W(fz_get_contiguous),
    W(fz_bytes_as), W(fz_capsule), W(fz_capsule_pointer), W(fz_capsule_import), W(fz_type_dict), W(fz_frame), W(fz_send),
    W(fz_pack_tuple), W(fz_from_spec), W(fz_run_string), W(fz_compile), W(fz_slice_unpack), W(fz_writer),
    W(fz_wide), W(fz_ucs4), W(fz_kind_data),
#undef W
#undef R
    {NULL, NULL},
};

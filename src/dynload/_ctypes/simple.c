/* simple.c - the simple types: c_int, c_char_p, py_object and so on, by type code.
 * SPDX-License-Identifier: MIT
 */
#include "ctypes_int.h"

#include <byteswap.h>
#include <wchar.h>

/* ======================================================================================
 * Reading and writing
 * ====================================================================================== */

static int
integer_of(PyObject *value, unsigned long long *out)
{
    *out = PyLong_AsUnsignedLongLongMask(value);
    return *out == (unsigned long long)-1 && PyErr_Occurred() ? -1 : 0;
}

#define INTEGER(code, type, from, swap)                                                \
    static PyObject *get_##code(const void *p, Py_ssize_t size)                        \
    {                                                                                  \
        type v;                                                                        \
        memcpy(&v, p, sizeof v);                                                       \
        return from(v);                                                                \
    }                                                                                  \
    static PyObject *set_##code(void *p, PyObject *value, Py_ssize_t size)             \
    {                                                                                  \
        unsigned long long wide;                                                       \
        if (integer_of(value, &wide) < 0) {                                            \
            return NULL;                                                               \
        }                                                                              \
        type v = (type)wide;                                                           \
        memcpy(p, &v, sizeof v);                                                       \
        Py_RETURN_NONE;                                                                \
    }                                                                                  \
    static PyObject *get_##code##_swapped(const void *p, Py_ssize_t size)              \
    {                                                                                  \
        type v;                                                                        \
        memcpy(&v, p, sizeof v);                                                       \
        v = (type)swap(v);                                                             \
        return from(v);                                                                \
    }                                                                                  \
    static PyObject *set_##code##_swapped(void *p, PyObject *value, Py_ssize_t size)   \
    {                                                                                  \
        unsigned long long wide;                                                       \
        if (integer_of(value, &wide) < 0) {                                            \
            return NULL;                                                               \
        }                                                                              \
        type v = (type)wide;                                                           \
        v = (type)swap(v);                                                             \
        memcpy(p, &v, sizeof v);                                                       \
        Py_RETURN_NONE;                                                                \
    }
#define SAME(v) (v)
#define SWAP16(v) bswap_16((uint16_t)(v))
#define SWAP32(v) bswap_32((uint32_t)(v))
#define SWAP64(v) bswap_64((uint64_t)(v))

INTEGER(b, signed char, PyLong_FromLong, SAME)
INTEGER(B, unsigned char, PyLong_FromLong, SAME)
INTEGER(h, short, PyLong_FromLong, SWAP16)
INTEGER(H, unsigned short, PyLong_FromLong, SWAP16)
INTEGER(i, int, PyLong_FromLong, SWAP32)
INTEGER(I, unsigned, PyLong_FromUnsignedLong, SWAP32)
INTEGER(q, long long, PyLong_FromLongLong, SWAP64)
INTEGER(Q, unsigned long long, PyLong_FromUnsignedLongLong, SWAP64)

static PyObject *
get_bool(const void *p, Py_ssize_t size)
{
    return PyBool_FromLong(*(const unsigned char *)p);
}

static PyObject *
set_bool(void *p, PyObject *value, Py_ssize_t size)
{
    int v = PyObject_IsTrue(value);
    if (v < 0) {
        return NULL;
    }
    *(unsigned char *)p = (unsigned char)v;
    Py_RETURN_NONE;
}

/* VARIANT_BOOL: true is all ones */
static PyObject *
get_vbool(const void *p, Py_ssize_t size)
{
    short v;
    memcpy(&v, p, sizeof v);
    return PyBool_FromLong(v);
}

static PyObject *
set_vbool(void *p, PyObject *value, Py_ssize_t size)
{
    int truth = PyObject_IsTrue(value);
    if (truth < 0) {
        return NULL;
    }
    short v = truth ? -1 : 0;
    memcpy(p, &v, sizeof v);
    Py_RETURN_NONE;
}

#define FLOATING(code, type, bits, swap)                                               \
    static PyObject *get_##code(const void *p, Py_ssize_t size)                        \
    {                                                                                  \
        type v;                                                                        \
        memcpy(&v, p, sizeof v);                                                       \
        return PyFloat_FromDouble((double)v);                                          \
    }                                                                                  \
    static PyObject *set_##code(void *p, PyObject *value, Py_ssize_t size)             \
    {                                                                                  \
        double wide = PyFloat_AsDouble(value);                                         \
        if (wide == -1 && PyErr_Occurred()) {                                          \
            return NULL;                                                               \
        }                                                                              \
        type v = (type)wide;                                                           \
        memcpy(p, &v, sizeof v);                                                       \
        Py_RETURN_NONE;                                                                \
    }                                                                                  \
    static PyObject *get_##code##_swapped(const void *p, Py_ssize_t size)              \
    {                                                                                  \
        bits b;                                                                        \
        memcpy(&b, p, sizeof b);                                                       \
        b = swap(b);                                                                   \
        return get_##code(&b, size);                                                   \
    }                                                                                  \
    static PyObject *set_##code##_swapped(void *p, PyObject *value, Py_ssize_t size)   \
    {                                                                                  \
        bits b;                                                                        \
        PyObject *r = set_##code(&b, value, size);                                     \
        if (r) {                                                                       \
            b = swap(b);                                                               \
            memcpy(p, &b, sizeof b);                                                   \
        }                                                                              \
        return r;                                                                      \
    }
FLOATING(f, float, uint32_t, SWAP32)
FLOATING(d, double, uint64_t, SWAP64)

static PyObject *
get_longdouble(const void *p, Py_ssize_t size)
{
    long double v;
    memcpy(&v, p, sizeof v);
    return PyFloat_FromDouble((double)v);
}

static PyObject *
set_longdouble(void *p, PyObject *value, Py_ssize_t size)
{
    long double v = PyFloat_AsDouble(value);
    if (v == -1 && PyErr_Occurred()) {
        return NULL;
    }
    memset(p, 0, sizeof v);
    memcpy(p, &v, 10);
    Py_RETURN_NONE;
}

#define COMPLEX(code, type)                                                            \
    static PyObject *get_##code(const void *p, Py_ssize_t size)                        \
    {                                                                                  \
        type v[2];                                                                     \
        memcpy(v, p, sizeof v);                                                        \
        return PyComplex_FromDoubles((double)v[0], (double)v[1]);                      \
    }                                                                                  \
    static PyObject *set_##code(void *p, PyObject *value, Py_ssize_t size)             \
    {                                                                                  \
        Py_complex c = PyComplex_AsCComplex(value);                                    \
        if (c.real == -1 && PyErr_Occurred()) {                                        \
            return NULL;                                                               \
        }                                                                              \
        type v[2] = {(type)c.real, (type)c.imag};                                      \
        memcpy(p, v, sizeof v);                                                        \
        Py_RETURN_NONE;                                                                \
    }
COMPLEX(D, double)
COMPLEX(F, float)
COMPLEX(G, long double)

#define SWAPPED_COMPLEX(code, bits, swap)                                              \
    static PyObject *get_##code##_swapped(const void *p, Py_ssize_t size)              \
    {                                                                                  \
        bits b[2];                                                                     \
        memcpy(b, p, sizeof b);                                                        \
        b[0] = swap(b[0]);                                                             \
        b[1] = swap(b[1]);                                                             \
        return get_##code(b, size);                                                    \
    }                                                                                  \
    static PyObject *set_##code##_swapped(void *p, PyObject *value, Py_ssize_t size)   \
    {                                                                                  \
        bits b[2];                                                                     \
        PyObject *r = set_##code(b, value, size);                                      \
        if (r) {                                                                       \
            b[0] = swap(b[0]);                                                         \
            b[1] = swap(b[1]);                                                         \
            memcpy(p, b, sizeof b);                                                    \
        }                                                                              \
        return r;                                                                      \
    }
SWAPPED_COMPLEX(D, uint64_t, SWAP64)
SWAPPED_COMPLEX(F, uint32_t, SWAP32)

static PyObject *
get_char(const void *p, Py_ssize_t size)
{
    return PyBytes_FromStringAndSize(p, 1);
}

static PyObject *
set_char(void *p, PyObject *value, Py_ssize_t size)
{
    const char *found = NULL;
    Py_ssize_t n = 0;
    if (PyBytes_Check(value)) {
        found = PyBytes_AS_STRING(value);
        n = PyBytes_GET_SIZE(value);
    }
    else if (PyByteArray_Check(value)) {
        found = PyByteArray_AS_STRING(value);
        n = PyByteArray_GET_SIZE(value);
    }
    else if (PyLong_Check(value)) {
        int overflow;
        long v = PyLong_AsLongAndOverflow(value, &overflow);
        if (overflow || v < 0 || v > 255) {
            PyErr_SetString(PyExc_TypeError, "integer not in range(256)");
            return NULL;
        }
        *(char *)p = (char)v;
        Py_RETURN_NONE;
    }
    if (found && n == 1) {
        *(char *)p = *found;
        Py_RETURN_NONE;
    }
    if (found) {
        PyErr_Format(PyExc_TypeError,
                     "one character bytes, bytearray, or an integer in range(256) "
                     "expected, not %T of length %zd",
                     value, n);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "one character bytes, bytearray, or an integer in range(256) "
                     "expected, not %T",
                     value);
    }
    return NULL;
}

static PyObject *
get_wchar(const void *p, Py_ssize_t size)
{
    wchar_t w;
    memcpy(&w, p, sizeof w);
    return PyUnicode_FromWideChar(&w, 1);
}

static PyObject *
set_wchar(void *p, PyObject *value, Py_ssize_t size)
{
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "a unicode character expected, not instance of %T",
                     value);
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(value);
    if (n != 1) {
        PyErr_Format(PyExc_TypeError,
                     "a unicode character expected, not a string of length %zd", n);
        return NULL;
    }
    wchar_t w = (wchar_t)PyUnicode_READ_CHAR(value, 0);
    memcpy(p, &w, sizeof w);
    Py_RETURN_NONE;
}

/* c_char arrays as fields: the bytes up to the first null */
static PyObject *
get_chars(const void *p, Py_ssize_t size)
{
    return PyBytes_FromStringAndSize(p, (Py_ssize_t)strnlen(p, (size_t)size));
}

static PyObject *
set_chars(void *p, PyObject *value, Py_ssize_t size)
{
    if (!PyBytes_Check(value)) {
        PyErr_Format(PyExc_TypeError, "expected bytes, %s found", Py_TYPE(value)->tp_name);
        return NULL;
    }
    Py_ssize_t n = (Py_ssize_t)strlen(PyBytes_AS_STRING(value));
    if (n > size) {
        PyErr_Format(PyExc_ValueError, "bytes too long (%zd, maximum length %zd)", n, size);
        return NULL;
    }
    memcpy(p, PyBytes_AS_STRING(value), (size_t)(n < size ? n + 1 : n));
    Py_RETURN_NONE;
}

static PyObject *
get_wchars(const void *p, Py_ssize_t size)
{
    Py_ssize_t room = size / (Py_ssize_t)sizeof(wchar_t), n = 0;
    for (; n < room; n++) {
        wchar_t w;
        memcpy(&w, (const char *)p + n * (Py_ssize_t)sizeof w, sizeof w);
        if (!w) {
            break;
        }
    }
    return PyUnicode_FromWideChar(p, n);
}

static PyObject *
set_wchars(void *p, PyObject *value, Py_ssize_t size)
{
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "unicode string expected instead of %s instance",
                     Py_TYPE(value)->tp_name);
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(value), room = size / (Py_ssize_t)sizeof(wchar_t);
    if (n > room) {
        PyErr_Format(PyExc_ValueError, "string too long (%zd, maximum length %zd)", n, room);
        return NULL;
    }
    if (PyUnicode_AsWideChar(value, p, room) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

const Getter ct_get_chars = get_chars, ct_get_wchars = get_wchars;
const Setter ct_set_chars = set_chars, ct_set_wchars = set_wchars;

static PyObject *
get_string(const void *p, Py_ssize_t size)
{
    const char *s;
    memcpy(&s, p, sizeof s);
    if (!s) {
        Py_RETURN_NONE;
    }
    return PyBytes_FromString(s);
}

static PyObject *
set_string(void *p, PyObject *value, Py_ssize_t size)
{
    const char *s = NULL;
    PyObject *keep = Py_None;
    if (PyBytes_Check(value)) {
        s = PyBytes_AS_STRING(value);
        keep = value;
    }
    else if (PyLong_Check(value)) {
        s = (const char *)PyLong_AsUnsignedLongMask(value);
    }
    else if (value != Py_None) {
        PyErr_Format(PyExc_TypeError,
                     "bytes or integer address expected instead of %s instance",
                     Py_TYPE(value)->tp_name);
        return NULL;
    }
    memcpy(p, &s, sizeof s);
    return Py_NewRef(keep);
}

static PyObject *
get_wstring(const void *p, Py_ssize_t size)
{
    const wchar_t *s;
    memcpy(&s, p, sizeof s);
    if (!s) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromWideChar(s, (Py_ssize_t)wcslen(s));
}

#define WIDE_NAME "_ctypes wide string"

static void
free_wide(PyObject *capsule)
{
    PyMem_Free(PyCapsule_GetPointer(capsule, WIDE_NAME));
}

/* str as a wide string in *out, owned by the capsule that is returned. */
PyObject *
ct_wide_keep(PyObject *str, wchar_t **out)
{
    Py_ssize_t n; /* null characters within are fine */
    wchar_t *s = PyUnicode_AsWideCharString(str, &n);
    if (!s) {
        return NULL;
    }
    PyObject *keep = PyCapsule_New(s, WIDE_NAME, free_wide);
    if (!keep) {
        PyMem_Free(s);
        return NULL;
    }
    *out = s;
    return keep;
}

static PyObject *
set_wstring(void *p, PyObject *value, Py_ssize_t size)
{
    wchar_t *s = NULL;
    PyObject *keep = NULL;
    if (PyUnicode_Check(value)) {
        keep = ct_wide_keep(value, &s);
        if (!keep) {
            return NULL;
        }
    }
    else if (PyLong_Check(value)) {
        s = (wchar_t *)PyLong_AsUnsignedLongMask(value);
    }
    else if (value != Py_None) {
        PyErr_Format(PyExc_TypeError,
                     "unicode string or integer address expected instead of %s instance",
                     Py_TYPE(value)->tp_name);
        return NULL;
    }
    memcpy(p, &s, sizeof s);
    return keep ? keep : Py_NewRef(Py_None);
}

static PyObject *
get_address(const void *p, Py_ssize_t size)
{
    void *v;
    memcpy(&v, p, sizeof v);
    if (!v) {
        Py_RETURN_NONE;
    }
    return PyLong_FromVoidPtr(v);
}

static PyObject *
set_address(void *p, PyObject *value, Py_ssize_t size)
{
    void *v = NULL;
    if (PyLong_Check(value)) {
        v = (void *)PyLong_AsUnsignedLongMask(value);
    }
    else if (value != Py_None) {
        PyErr_SetString(PyExc_TypeError, "cannot be converted to pointer");
        return NULL;
    }
    memcpy(p, &v, sizeof v);
    Py_RETURN_NONE;
}

static PyObject *
get_object(const void *p, Py_ssize_t size)
{
    PyObject *o;
    memcpy(&o, p, sizeof o);
    if (!o) {
        PyErr_SetString(PyExc_ValueError, "PyObject is NULL");
        return NULL;
    }
    return Py_NewRef(o);
}

static PyObject *
set_object(void *p, PyObject *value, Py_ssize_t size)
{
    memcpy(p, &value, sizeof value);
    return Py_NewRef(value);
}

/* In the order in which the message about an unknown code lists them. */
static const SimpleDesc descs[] = {
#define SWAPPING(c, fmt, type, sign, ffi)                                              \
    {fmt, fmt, sizeof(type), _Alignof(type), sign, true, &ffi, get_##c,                \
     get_##c##_swapped, set_##c, set_##c##_swapped}
#define SWAPPING_COMPLEX(c, fmt, size, align, ffi)                                          \
    {fmt, fmt, size, align, false, false, &ffi, get_##c, get_##c##_swapped, set_##c,   \
     set_##c##_swapped}
    {'c', 'c', 1, 1, false, false, &ffi_type_schar, get_char, NULL, set_char, NULL},
    SWAPPING(b, 'b', signed char, true, ffi_type_schar),
    SWAPPING(B, 'B', signed char, false, ffi_type_uchar),
    SWAPPING(h, 'h', short, true, ffi_type_sshort),
    SWAPPING(H, 'H', short, false, ffi_type_ushort),
    SWAPPING(i, 'i', int, true, ffi_type_sint),
    SWAPPING(I, 'I', int, false, ffi_type_uint),
    {'l', 'q', 8, 8, true, true, &ffi_type_slong, get_q, get_q_swapped, set_q,
     set_q_swapped},
    {'L', 'Q', 8, 8, false, true, &ffi_type_ulong, get_Q, get_Q_swapped, set_Q,
     set_Q_swapped},
    {'d', 'd', 8, 8, false, false, &ffi_type_double, get_d, get_d_swapped, set_d,
     set_d_swapped},
    SWAPPING_COMPLEX(D, 'D', 16, 8, ffi_type_complex_double),
    SWAPPING_COMPLEX(F, 'F', 8, 4, ffi_type_complex_float),
    {'G', 'G', 32, 16, false, false, &ffi_type_complex_longdouble, get_G, NULL, set_G,
     NULL},
    {'f', 'f', 4, 4, false, false, &ffi_type_float, get_f, get_f_swapped, set_f,
     set_f_swapped},
    {'u', 'u', sizeof(wchar_t), _Alignof(wchar_t), false, false, &ffi_type_sint32,
     get_wchar, NULL, set_wchar, NULL},
    {'z', 'z', 8, 8, false, false, &ffi_type_pointer, get_string, NULL, set_string, NULL},
    {'Z', 'Z', 8, 8, false, false, &ffi_type_pointer, get_wstring, NULL, set_wstring,
     NULL},
    SWAPPING(q, 'q', long long, true, ffi_type_sint64),
    SWAPPING(Q, 'Q', long long, false, ffi_type_uint64),
    {'P', 'P', 8, 8, false, false, &ffi_type_pointer, get_address, NULL, set_address,
     NULL},
    {'O', 'O', 8, 8, false, false, &ffi_type_pointer, get_object, NULL, set_object, NULL},
    {'v', 'v', 2, 2, false, false, &ffi_type_sshort, get_vbool, NULL, set_vbool, NULL},
    {'?', '?', 1, 1, false, true, &ffi_type_uchar, get_bool, get_bool, set_bool, set_bool},
    {'g', 'g', 16, 16, false, false, &ffi_type_longdouble, get_longdouble, NULL,
     set_longdouble, NULL},
};

const SimpleDesc *
ct_simple_desc(char code)
{
    for (size_t i = 0; i < NJ_ARRAY_LEN(descs); i++) {
        if (descs[i].code == code) {
            return &descs[i];
        }
    }
    return NULL;
}

/* ======================================================================================
 * The metaclass
 * ====================================================================================== */

/* Is type derived from c_int or the like, so that its instances show themselves, not
 * their values? */
bool
ct_is_simple_subclass(State *st, PyObject *type)
{
    return PyObject_TypeCheck(type, st->simple_meta) &&
           ((PyTypeObject *)type)->tp_base != st->simple;
}

/* from_param() of an object with _as_parameter_; else raises the exception that is set,
 * or TypeError. */
static PyObject *
from_as_parameter(PyObject *type, PyObject *value)
{
    NJ_OWN exc = PyErr_GetRaisedException();
    NJ_OWN inner = NULL;
    if (PyObject_GetOptionalAttrString(value, "_as_parameter_", &inner) < 0) {
        return NULL;
    }
    if (inner) {
        if (Py_EnterRecursiveCall(" while processing _as_parameter_")) {
            return NULL;
        }
        PyObject *r = PyObject_CallMethod(type, "from_param", "O", inner);
        Py_LeaveRecursiveCall();
        return r;
    }
    if (exc) {
        PyErr_SetRaisedException(NJ_TAKE(exc));
    }
    else {
        PyErr_Format(PyExc_TypeError, "'%.200s' object cannot be interpreted as %N",
                     Py_TYPE(value)->tp_name, type);
    }
    return NULL;
}

static PyObject *
simple_from_param(PyObject *type, PyObject *const *a, Py_ssize_t nargs)
{
    if (!ct_check_args("from_param", nargs, 1, 1)) {
        return NULL;
    }
    PyObject *value = a[0];
    int rc = PyObject_IsInstance(value, type);
    if (rc) {
        return rc < 0 ? NULL : Py_NewRef(value);
    }
    State *st = ct_state_of(type);
    Info *info = st ? ct_info(st, type) : NULL;
    if (!info) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "abstract class");
        }
        return NULL;
    }
    Arg *arg = ct_arg_new(st);
    if (!arg) {
        return NULL;
    }
    const SimpleDesc *d = info->simple;
    arg->ffi = d->ffi;
    arg->tag = d->code;
    /* always in native byte order */
    arg->obj = d->set(&arg->value, value, d->size);
    if (arg->obj) {
        return (PyObject *)arg;
    }
    Py_DECREF(arg);
    return from_as_parameter(type, value);
}

/* An argument of the given code that holds a pointer. */
static PyObject *
pointer_arg(State *st, char tag, void *p, PyObject *keep)
{
    Arg *arg = ct_arg_new(st);
    if (arg) {
        arg->ffi = &ffi_type_pointer;
        arg->tag = tag;
        arg->value.p = p;
        arg->obj = Py_XNewRef(keep);
    }
    return (PyObject *)arg;
}

/* An array of or a pointer to the type with that code? */
static bool
refers_to(State *st, PyObject *value, char code)
{
    if (!PyObject_TypeCheck(value, st->array) && !PyObject_TypeCheck(value, st->pointer)) {
        return false;
    }
    Info *info = INFO(Py_TYPE(value));
    Info *item = info->proto ? ct_info(st, info->proto) : NULL;
    return item && item->kind == KIND_SIMPLE && item->simple->code == code;
}

/* byref() of a type with that code? */
static bool
is_byref_of(State *st, PyObject *value, char code)
{
    if (!Py_IS_TYPE(value, st->arg)) {
        return false;
    }
    PyObject *obj = ((Arg *)value)->obj;
    Info *info = obj ? ct_info(st, (PyObject *)Py_TYPE(obj)) : NULL;
    return info && info->kind == KIND_SIMPLE && info->simple->code == code;
}

static PyObject *
string_from_param(PyObject *type, PyObject *value, bool wide)
{
    if (value == Py_None) {
        Py_RETURN_NONE;
    }
    State *st = ct_state_of(type);
    if (!st) {
        return NULL;
    }
    if (wide ? PyUnicode_Check(value) : PyBytes_Check(value)) {
        Arg *arg = ct_arg_new(st);
        if (!arg) {
            return NULL;
        }
        arg->ffi = &ffi_type_pointer;
        arg->tag = wide ? 'Z' : 'z';
        arg->obj = (wide ? set_wstring : set_string)(&arg->value.p, value, 0);
        if (!arg->obj) {
            Py_CLEAR(arg);
        }
        return (PyObject *)arg;
    }
    int rc = PyObject_IsInstance(value, type);
    if (rc) {
        return rc < 0 ? NULL : Py_NewRef(value);
    }
    char code = wide ? 'u' : 'c';
    if (refers_to(st, value, code) || is_byref_of(st, value, code)) {
        return Py_NewRef(value);
    }
    return from_as_parameter(type, value);
}

static PyObject *
char_p_from_param(PyObject *type, PyObject *value)
{
    return string_from_param(type, value, false);
}

static PyObject *
wchar_p_from_param(PyObject *type, PyObject *value)
{
    return string_from_param(type, value, true);
}

static PyObject *
void_p_from_param(PyObject *type, PyObject *value)
{
    if (value == Py_None) {
        Py_RETURN_NONE;
    }
    State *st = ct_state_of(type);
    if (!st) {
        return NULL;
    }
    if (PyLong_Check(value)) {
        return pointer_arg(st, 'P', (void *)PyLong_AsUnsignedLongMask(value), NULL);
    }
    if (PyBytes_Check(value)) {
        return pointer_arg(st, 'z', PyBytes_AS_STRING(value), value);
    }
    if (PyUnicode_Check(value)) {
        wchar_t *s;
        NJ_OWN keep = ct_wide_keep(value, &s);
        return keep ? pointer_arg(st, 'Z', s, keep) : NULL;
    }
    int rc = PyObject_IsInstance(value, type);
    if (rc) {
        return rc < 0 ? NULL : Py_NewRef(value);
    }
    if (PyObject_TypeCheck(value, st->array) || PyObject_TypeCheck(value, st->pointer)) {
        return Py_NewRef(value);
    }
    if (Py_IS_TYPE(value, st->arg) && ((Arg *)value)->tag == 'P') {
        return Py_NewRef(value);
    }
    if (PyObject_TypeCheck(value, st->func)) {
        return pointer_arg(st, 'P', *(void **)((Data *)value)->ptr, value);
    }
    Info *info = ct_info(st, (PyObject *)Py_TYPE(value));
    if (info && info->kind == KIND_SIMPLE &&
        (info->simple->code == 'z' || info->simple->code == 'Z')) {
        return pointer_arg(st, 'Z', *(void **)((Data *)value)->ptr, value);
    }
    return from_as_parameter(type, value);
}

static PyMethodDef special_from_param[] = {
    {"from_param", char_p_from_param, METH_O, NULL},
    {"from_param", wchar_p_from_param, METH_O, NULL},
    {"from_param", void_p_from_param, METH_O, NULL},
};

static void
init_info(Info *info, const SimpleDesc *d, bool swapped)
{
    info->simple = d;
    info->swapped = swapped;
    info->size = d->size;
    info->align = d->align;
    info->length = 0;
    info->ffi = d->ffi;
    info->get = swapped ? d->get_swapped : d->get;
    info->set = swapped ? d->set_swapped : d->set;
    info->has_pointer = strchr("zZPO", d->code) != NULL;
    for (int i = 0; i < d->size && i < SMALL; i++) {
        info->classes[i] = strchr("fdFD", d->code)  ? CLASS_SSE
                           : d->code == 'g'         ? CLASS_X87
                           : d->code == 'G'         ? CLASS_MEMORY
                                                    : CLASS_INTEGER;
    }
}

/* The type with the other byte order, of the same name and namespace. */
static PyObject *
make_swapped(PyObject *type, PyObject *args, const SimpleDesc *d)
{
    PyObject *name, *bases, *dict;
    if (!PyArg_ParseTuple(args, "UO!O!", &name, &PyTuple_Type, &bases, &PyDict_Type,
                          &dict)) {
        return NULL;
    }
    NJ_OWN new_name = PyUnicode_FromFormat("%U_be", name);
    NJ_OWN new_args = new_name ? PyTuple_Pack(3, new_name, bases, dict) : NULL;
    NJ_OWN swapped =
        new_args ? PyType_Type.tp_new(Py_TYPE(type), new_args, NULL) : NULL;
    if (!swapped) {
        return NULL;
    }
    Info *info = ct_info_init(swapped, KIND_SIMPLE);
    if (!info) {
        return NULL;
    }
    init_info(info, d, true);
    info->proto = Py_NewRef(INFO(type)->proto);
    info->format = ct_text(">%c", d->format);
    return info->format ? NJ_TAKE(swapped) : NULL;
}

static int
simple_meta_init(PyObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyType_Type.tp_init(type, args, kwargs) < 0) {
        return -1;
    }
    NJ_OWN proto = NULL;
    if (PyObject_GetOptionalAttrString(type, "_type_", &proto) < 0) {
        return -1;
    }
    if (!proto) {
        PyErr_SetString(PyExc_AttributeError, "class must define a '_type_' attribute");
        return -1;
    }
    if (!PyUnicode_Check(proto)) {
        PyErr_SetString(PyExc_TypeError, "class must define a '_type_' string attribute");
        return -1;
    }
    if (PyUnicode_GET_LENGTH(proto) != 1) {
        PyErr_SetString(PyExc_ValueError, "class must define a '_type_' attribute "
                                          "which must be a string of length 1");
        return -1;
    }
    Py_UCS4 ch = PyUnicode_READ_CHAR(proto, 0);
    const SimpleDesc *d = ch && ch < 128 ? ct_simple_desc((char)ch) : NULL;
    if (!d) {
        char all[NJ_ARRAY_LEN(descs) + 1];
        for (size_t i = 0; i < NJ_ARRAY_LEN(descs); i++) {
            all[i] = descs[i].code;
        }
        all[NJ_ARRAY_LEN(descs)] = 0;
        PyErr_Format(PyExc_AttributeError,
                     "class must define a '_type_' attribute which must be\n"
                     "a single character string containing one of the\n"
                     "supported types: '%s'.",
                     all);
        return -1;
    }
    Info *info = ct_info_init(type, KIND_SIMPLE);
    if (!info) {
        return -1;
    }
    init_info(info, d, false);
    info->proto = NJ_TAKE(proto);
    info->format = ct_text("<%c", d->format);
    if (!info->format) {
        return -1;
    }
    State *st = info->st;
    if (Py_TYPE(type) != st->simple_meta) {
        return 0;
    }
    if (((PyTypeObject *)type)->tp_base == st->simple && strchr("zZP", d->code)) {
        PyMethodDef *ml = &special_from_param[d->code == 'z' ? 0 : d->code == 'Z' ? 1 : 2];
        NJ_OWN method = PyDescr_NewClassMethod((PyTypeObject *)type, ml);
        if (!method || PyObject_SetAttrString(type, "from_param", method) < 0) {
            return -1;
        }
    }
    if (!d->get_swapped) {
        return 0;
    }
    NJ_OWN swapped = make_swapped(type, args, d);
    return !swapped || PyObject_SetAttrString(type, "__ctype_be__", swapped) < 0 ||
                   PyObject_SetAttrString(type, "__ctype_le__", type) < 0 ||
                   PyObject_SetAttrString(swapped, "__ctype_be__", swapped) < 0 ||
                   PyObject_SetAttrString(swapped, "__ctype_le__", type) < 0
               ? -1
               : 0;
}

static PyMethodDef simple_meta_methods[] = {
    CT_TYPE_METHODS,
    {"from_param", FN(simple_from_param), METH_FASTCALL,
     SIG("from_param($self, value, /)") "Make a function argument of a Python object."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot simple_meta_slots[] = {
    {Py_tp_init, simple_meta_init},
    {Py_tp_methods, simple_meta_methods},
    {Py_tp_doc, "metatype for the PyCSimpleType objects"},
    {0, NULL},
};

PyType_Spec ct_simple_meta_spec = {
    .name = "_ctypes.PyCSimpleType",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = simple_meta_slots,
};

/* ======================================================================================
 * The class
 * ====================================================================================== */

static PyObject *
get_value(PyObject *self, void *closure)
{
    return INFO(Py_TYPE(self))->get(((Data *)self)->ptr, ((Data *)self)->size);
}

static int
set_value(PyObject *self, PyObject *value, void *closure)
{
    Data *data = (Data *)self;
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "can't delete attribute");
        return -1;
    }
    PyObject *keep = INFO(Py_TYPE(self))->set(data->ptr, value, data->size);
    return keep ? ct_keep(data, 0, keep) : -1;
}

static int
simple_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *value = NULL;
    if (!PyArg_UnpackTuple(args, "__init__", 0, 1, &value)) {
        return -1;
    }
    return value ? set_value(self, value, NULL) : 0;
}

static PyObject *
simple_repr(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (type->tp_base != INFO(type)->st->simple) {
        return PyUnicode_FromFormat("<%s object at %p>", type->tp_name, self);
    }
    NJ_OWN value = get_value(self, NULL);
    return value ? PyUnicode_FromFormat("%s(%R)", type->tp_name, value) : NULL;
}

static int
simple_bool(PyObject *self)
{
    Data *data = (Data *)self;
    for (Py_ssize_t i = 0; i < data->size; i++) {
        if (data->ptr[i]) {
            return 1;
        }
    }
    return 0;
}

static PyObject *
simple_from_outparam(PyObject *self, PyObject *ignored)
{
    if (ct_is_simple_subclass(INFO(Py_TYPE(self))->st, (PyObject *)Py_TYPE(self))) {
        return Py_NewRef(self);
    }
    return get_value(self, NULL);
}

static PyMethodDef simple_methods[] = {
    {"__ctypes_from_outparam__", simple_from_outparam, METH_NOARGS,
     SIG("__ctypes_from_outparam__($self, /)")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef simple_getset[] = {
    {"value", get_value, set_value, "current value", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot simple_slots[] = {
    {Py_tp_doc, "A single C value."},
    {Py_tp_new, ct_new},
    {Py_tp_init, simple_init},
    {Py_tp_repr, simple_repr},
    {Py_tp_methods, simple_methods},
    {Py_tp_getset, simple_getset},
    {Py_nb_bool, simple_bool},
    {Py_bf_getbuffer, ct_getbuffer},
    {0, NULL},
};

PyType_Spec ct_simple_spec = {
    .name = "_ctypes._SimpleCData",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = simple_slots,
};

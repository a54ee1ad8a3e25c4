/* array.c - the module array: compact sequences of machine numbers and characters.
 *
 * Each item type is described by one Descr: size, how to read an item, how to write one
 * (index -1 only checks the value). While a buffer is exported the array cannot change
 * its size. 'u' and 'w' both hold UCS4 on this platform.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

typedef struct Array Array;

typedef struct Descr {
    char code;
    int size;
    PyObject *(*get)(const Array *a, Py_ssize_t i);
    int (*set)(Array *a, Py_ssize_t i, PyObject *v);
    const char *format; /* of the buffer */
    bool is_int, is_signed;
} Descr;

struct Array {
    PyObject_VAR_HEAD
    char *items;
    Py_ssize_t allocated;
    const Descr *descr;
    PyObject *weakrefs;
    Py_ssize_t exports;
};

typedef struct ArrayIter {
    PyObject_HEAD
    Py_ssize_t index;
    Array *ao; /* NULL: exhausted */
    const Descr *descr;
} ArrayIter;

typedef struct State {
    PyTypeObject *array_type;
    PyTypeObject *iter_type;
} State;

static struct PyModuleDef array_module;

static State *
type_state(PyTypeObject *tp)
{
    PyObject *m = PyType_GetModuleByDef(tp, &array_module);
    return m ? PyModule_GetState(m) : NULL;
}

#define ARRAY(op) ((Array *)(op))

/* ---- items -------------------------------------------------------------------------- */

#define GETTER(name, T, expr)                                                            \
    static PyObject *get_##name(const Array *a, Py_ssize_t i)                            \
    {                                                                                    \
        T x = ((const T *)a->items)[i];                                                  \
        return expr;                                                                     \
    }

GETTER(b, signed char, PyLong_FromLong(x))
GETTER(B, unsigned char, PyLong_FromLong(x))
GETTER(h, short, PyLong_FromLong(x))
GETTER(H, unsigned short, PyLong_FromLong(x))
GETTER(i, int, PyLong_FromLong(x))
GETTER(I, unsigned int, PyLong_FromUnsignedLong(x))
GETTER(l, long, PyLong_FromLong(x))
GETTER(L, unsigned long, PyLong_FromUnsignedLong(x))
GETTER(f, float, PyFloat_FromDouble(x))
GETTER(d, double, PyFloat_FromDouble(x))
GETTER(u, Py_UCS4, PyUnicode_FromOrdinal((int)x))

/* The conversion of the value ran code that made the array smaller. */
static NJ_COLD int
shrunk(void)
{
    PyErr_SetString(PyExc_IndexError, "array assignment index out of range");
    return -1;
}

/* A signed value between lo and hi; what: "signed char" and the like. */
static int
small_value(PyObject *v, long lo, long hi, const char *what, long *out)
{
    NJ_OWN n = PyNumber_Index(v);
    if (n == NULL) {
        return -1;
    }
    int overflow;
    long x = PyLong_AsLongAndOverflow(n, &overflow);
    if (overflow > 0 || (!overflow && x > hi)) {
        PyErr_Format(PyExc_OverflowError, "%s is greater than maximum", what);
        return -1;
    }
    if (overflow < 0 || x < lo) {
        PyErr_Format(PyExc_OverflowError, "%s is less than minimum", what);
        return -1;
    }
    *out = x;
    return 0;
}

#define SMALL_SETTER(name, T, lo, hi, what)                                              \
    static int set_##name(Array *a, Py_ssize_t i, PyObject *v)                           \
    {                                                                                    \
        long x;                                                                          \
        if (small_value(v, lo, hi, what, &x) < 0) {                                      \
            return -1;                                                                   \
        }                                                                                \
        if (i >= 0) {                                                                    \
            if (NJ_UNLIKELY(i >= Py_SIZE(a))) {                                          \
                return shrunk();                                                         \
            }                                                                            \
            ((T *)a->items)[i] = (T)x;                                                   \
        }                                                                                \
        return 0;                                                                        \
    }

SMALL_SETTER(b, signed char, SCHAR_MIN, SCHAR_MAX, "signed char")
SMALL_SETTER(B, unsigned char, 0, UCHAR_MAX, "unsigned byte integer")
SMALL_SETTER(h, short, SHRT_MIN, SHRT_MAX, "signed short integer")
SMALL_SETTER(H, unsigned short, 0, USHRT_MAX, "unsigned short")
SMALL_SETTER(i, int, INT_MIN, INT_MAX, "signed integer")

static int
set_I(Array *a, Py_ssize_t i, PyObject *v)
{
    NJ_OWN n = PyNumber_Index(v);
    if (n == NULL) {
        return -1;
    }
    unsigned long x = PyLong_AsUnsignedLong(n);
    if (x == (unsigned long)-1 && PyErr_Occurred()) {
        return -1;
    }
    if (x > UINT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "unsigned int is greater than maximum");
        return -1;
    }
    if (i >= 0) {
        if (NJ_UNLIKELY(i >= Py_SIZE(a))) {
            return shrunk();
        }
        ((unsigned int *)a->items)[i] = (unsigned int)x;
    }
    return 0;
}

#define WORD_SETTER(name, T, convert)                                                    \
    static int set_##name(Array *a, Py_ssize_t i, PyObject *v)                           \
    {                                                                                    \
        NJ_OWN n = PyNumber_Index(v);                                                    \
        if (n == NULL) {                                                                 \
            return -1;                                                                   \
        }                                                                                \
        T x = convert(n);                                                                \
        if (x == (T)-1 && PyErr_Occurred()) {                                            \
            return -1;                                                                   \
        }                                                                                \
        if (i >= 0) {                                                                    \
            if (NJ_UNLIKELY(i >= Py_SIZE(a))) {                                          \
                return shrunk();                                                         \
            }                                                                            \
            ((T *)a->items)[i] = x;                                                      \
        }                                                                                \
        return 0;                                                                        \
    }

WORD_SETTER(l, long, PyLong_AsLong)
WORD_SETTER(L, unsigned long, PyLong_AsUnsignedLong)
WORD_SETTER(q, long long, PyLong_AsLongLong)
WORD_SETTER(Q, unsigned long long, PyLong_AsUnsignedLongLong)

#define FLOAT_SETTER(name, T)                                                            \
    static int set_##name(Array *a, Py_ssize_t i, PyObject *v)                           \
    {                                                                                    \
        double x = PyFloat_AsDouble(v);                                                  \
        if (x == -1.0 && PyErr_Occurred()) {                                             \
            return -1;                                                                   \
        }                                                                                \
        if (i >= 0) {                                                                    \
            if (NJ_UNLIKELY(i >= Py_SIZE(a))) {                                          \
                return shrunk();                                                         \
            }                                                                            \
            ((T *)a->items)[i] = (T)x;                                                   \
        }                                                                                \
        return 0;                                                                        \
    }

FLOAT_SETTER(f, float)
FLOAT_SETTER(d, double)

static int
set_u(Array *a, Py_ssize_t i, PyObject *v)
{
    if (!PyUnicode_Check(v)) {
        PyErr_Format(PyExc_TypeError, "array item must be a unicode character, not %T", v);
        return -1;
    }
    if (PyUnicode_GET_LENGTH(v) != 1) {
        PyErr_Format(PyExc_TypeError,
                     "array item must be a unicode character, not a string of length %zd",
                     PyUnicode_GET_LENGTH(v));
        return -1;
    }
    if (i >= 0) {
        if (NJ_UNLIKELY(i >= Py_SIZE(a))) {
            return shrunk();
        }
        ((Py_UCS4 *)a->items)[i] = PyUnicode_READ_CHAR(v, 0);
    }
    return 0;
}

static const Descr descriptors[] = {
    {'b', 1, get_b, set_b, "b", true, true},
    {'B', 1, get_B, set_B, "B", true, false},
    {'u', 4, get_u, set_u, "w", false, false},
    {'w', 4, get_u, set_u, "w", false, false},
    {'h', 2, get_h, set_h, "h", true, true},
    {'H', 2, get_H, set_H, "H", true, false},
    {'i', 4, get_i, set_i, "i", true, true},
    {'I', 4, get_I, set_I, "I", true, false},
    {'l', 8, get_l, set_l, "l", true, true},
    {'L', 8, get_L, set_L, "L", true, false},
    {'q', 8, get_l, set_q, "q", true, true},
    {'Q', 8, get_L, set_Q, "Q", true, false},
    {'f', 4, get_f, set_f, "f", false, false},
    {'d', 8, get_d, set_d, "d", false, false},
    {0, 0, NULL, NULL, NULL, false, false},
};

static const Descr *
find_descr(Py_UCS4 code)
{
    for (const Descr *d = descriptors; d->code; d++) {
        if ((Py_UCS4)d->code == code) {
            return d;
        }
    }
    return NULL;
}

NJ_INLINE bool
is_text(const Descr *d)
{
    return d->code == 'u' || d->code == 'w';
}

/* ---- storage ------------------------------------------------------------------------ */

static int
resize(Array *a, Py_ssize_t n)
{
    if (a->exports > 0 && n != Py_SIZE(a)) {
        PyErr_SetString(PyExc_BufferError,
                        "cannot resize an array that is exporting buffers");
        return -1;
    }
    if (a->allocated >= n && Py_SIZE(a) < n + 16 && a->items != NULL) {
        Py_SET_SIZE(a, n);
        return 0;
    }
    if (n == 0) {
        PyMem_Free(a->items);
        a->items = NULL;
        a->allocated = 0;
        Py_SET_SIZE(a, 0);
        return 0;
    }
    Py_ssize_t room = (n >> 4) + (Py_SIZE(a) < 8 ? 3 : 7);
    if (n > PY_SSIZE_T_MAX - room || n + room > PY_SSIZE_T_MAX / a->descr->size) {
        PyErr_NoMemory();
        return -1;
    }
    room += n;
    char *p = PyMem_Realloc(a->items, (size_t)(room * a->descr->size));
    if (p == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    a->items = p;
    a->allocated = room;
    Py_SET_SIZE(a, n);
    return 0;
}

/* n items, not initialized. */
static PyObject *
new_array(PyTypeObject *type, Py_ssize_t n, const Descr *d)
{
    if (n < 0) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (n > PY_SSIZE_T_MAX / d->size) {
        return PyErr_NoMemory();
    }
    Array *a = (Array *)type->tp_alloc(type, 0);
    if (a == NULL) {
        return NULL;
    }
    a->descr = d;
    a->allocated = n;
    if (n > 0) {
        a->items = PyMem_Malloc((size_t)(n * d->size));
        if (a->items == NULL) {
            a->allocated = 0;
            Py_DECREF(a);
            return PyErr_NoMemory();
        }
    }
    Py_SET_SIZE(a, n);
    return (PyObject *)a;
}

static void
array_dealloc(PyObject *op)
{
    Array *a = ARRAY(op);
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (a->exports > 0) {
        PyErr_SetString(PyExc_SystemError,
                        "deallocated array object has exported buffers");
        PyErr_Print();
    }
    if (a->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    PyMem_Free(a->items);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static int
array_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static int
insert(Array *a, Py_ssize_t where, PyObject *v)
{
    Py_ssize_t n = Py_SIZE(a);
    if (a->descr->set(a, -1, v) < 0 || resize(a, n + 1) < 0) {
        return -1;
    }
    if (where < 0) {
        where += n;
        if (where < 0) {
            where = 0;
        }
    }
    if (where > n) {
        where = n;
    }
    size_t size = (size_t)a->descr->size;
    if (where != n) {
        memmove(a->items + (size_t)(where + 1) * size, a->items + (size_t)where * size,
                (size_t)(n - where) * size);
    }
    return a->descr->set(a, where, v);
}

/* Replaces items lo..hi by the n items at src (of the same size). */
static int
splice(Array *a, Py_ssize_t lo, Py_ssize_t hi, const char *src, Py_ssize_t n)
{
    Py_ssize_t len = Py_SIZE(a), size = a->descr->size;
    Py_ssize_t grow = n - (hi - lo);
    if (grow > 0 && resize(a, len + grow) < 0) {
        return -1;
    }
    if (grow < 0 && a->exports > 0) {
        PyErr_SetString(PyExc_BufferError,
                        "cannot resize an array that is exporting buffers");
        return -1;
    }
    if (grow != 0 && len > hi) {
        memmove(a->items + (hi + grow) * size, a->items + hi * size,
                (size_t)((len - hi) * size));
    }
    if (n > 0) {
        memcpy(a->items + lo * size, src, (size_t)(n * size));
    }
    return grow < 0 ? resize(a, len + grow) : 0;
}

/* ---- extending ---------------------------------------------------------------------- */

static int
extend_iterable(Array *a, PyObject *o)
{
    NJ_OWN it = PyObject_GetIter(o);
    if (it == NULL) {
        return -1;
    }
    while (true) {
        NJ_OWN v = PyIter_Next(it);
        if (v == NULL) {
            return PyErr_Occurred() ? -1 : 0;
        }
        if (insert(a, Py_SIZE(a), v) < 0) {
            return -1;
        }
    }
}

static int
extend(State *st, Array *a, PyObject *o)
{
    if (!PyObject_TypeCheck(o, st->array_type)) {
        return extend_iterable(a, o);
    }
    Array *b = ARRAY(o);
    if (a->descr != b->descr) {
        PyErr_SetString(PyExc_TypeError, "can only extend with array of same kind");
        return -1;
    }
    Py_ssize_t n = Py_SIZE(a), m = Py_SIZE(b);
    if (n > PY_SSIZE_T_MAX - m) {
        PyErr_NoMemory();
        return -1;
    }
    if (resize(a, n + m) < 0) {
        return -1;
    }
    if (m > 0) { /* b may be a itself: its first m items are still there */
        memcpy(a->items + n * a->descr->size, b->items, (size_t)(m * a->descr->size));
    }
    return 0;
}

static int
append_bytes(Array *a, const char *p, Py_ssize_t len)
{
    Py_ssize_t size = a->descr->size;
    if (len % size != 0) {
        PyErr_SetString(PyExc_ValueError, "bytes length not a multiple of item size");
        return -1;
    }
    Py_ssize_t n = Py_SIZE(a), m = len / size;
    if (m > 0) {
        if (n > PY_SSIZE_T_MAX - m) {
            PyErr_NoMemory();
            return -1;
        }
        if (resize(a, n + m) < 0) {
            return -1;
        }
        memcpy(a->items + n * size, p, (size_t)len);
    }
    return 0;
}

static int
append_text(Array *a, PyObject *s)
{
    Py_ssize_t n = Py_SIZE(a), m = PyUnicode_GET_LENGTH(s);
    if (m == 0) {
        return 0;
    }
    if (resize(a, n + m) < 0) {
        return -1;
    }
    return PyUnicode_AsUCS4(s, (Py_UCS4 *)a->items + n, m, 0) ? 0 : -1;
}

/* ---- construction ------------------------------------------------------------------- */

static PyObject *
array_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    State *st = type_state(type);
    if (st == NULL) {
        return NULL;
    }
    if ((type == st->array_type ||
         PyType_GetSlot(type, Py_tp_init) == PyType_GetSlot(st->array_type, Py_tp_init)) &&
        kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "array.array() takes no keyword arguments");
        return NULL;
    }
    int code;
    PyObject *init = NULL;
    if (!PyArg_ParseTuple(args, "C|O:array", &code, &init)) {
        return NULL;
    }
    if (PySys_Audit("array.__new__", "CO", code, init ? init : Py_None) < 0) {
        return NULL;
    }
    if (code == 'u' &&
        PyErr_WarnEx(PyExc_DeprecationWarning,
                     "The 'u' type code is deprecated and will be removed in Python 3.16",
                     1) < 0) {
        return NULL;
    }
    const Descr *d = find_descr((Py_UCS4)code);
    bool from_array = init != NULL && PyObject_TypeCheck(init, st->array_type);
    if (init != NULL && (d == NULL || !is_text(d))) {
        if (PyUnicode_Check(init)) {
            PyErr_Format(PyExc_TypeError,
                         "cannot use a str to initialize an array with typecode '%c'", code);
            return NULL;
        }
        if (from_array && is_text(ARRAY(init)->descr)) {
            PyErr_Format(PyExc_TypeError,
                         "cannot use a unicode array to initialize an array with typecode "
                         "'%c'",
                         code);
            return NULL;
        }
    }
    if (d == NULL) {
        PyErr_SetString(PyExc_ValueError, "bad typecode (must be b, B, u, w, h, H, i, I, l, "
                                          "L, q, Q, f or d)");
        return NULL;
    }
    NJ_OWN a = new_array(type, 0, d);
    if (a == NULL || init == NULL) {
        return NJ_TAKE(a);
    }
    int rc;
    if (PyList_Check(init) || PyTuple_Check(init)) {
        /* Exactly as large as needed; a list may change while items are converted. */
        Py_ssize_t n = PySequence_Fast_GET_SIZE(init);
        NJ_SET(a, new_array(type, n, d));
        if (a == NULL) {
            return NULL;
        }
        if (n > 0) {
            memset(ARRAY(a)->items, 0, (size_t)(n * d->size));
        }
        rc = 0;
        for (Py_ssize_t i = 0; i < n && rc == 0; i++) {
            if (i >= PySequence_Fast_GET_SIZE(init)) {
                PyErr_SetString(PyExc_IndexError, "list index out of range");
                return NULL;
            }
            NJ_OWN v = Py_NewRef(PySequence_Fast_GET_ITEM(init, i));
            rc = d->set(ARRAY(a), i, v);
        }
    }
    else if (from_array && ARRAY(init)->descr == d) {
        rc = append_bytes(ARRAY(a), ARRAY(init)->items, Py_SIZE(init) * d->size);
    }
    else if (PyBytes_Check(init)) {
        rc = append_bytes(ARRAY(a), PyBytes_AS_STRING(init), PyBytes_GET_SIZE(init));
    }
    else if (PyByteArray_Check(init)) {
        rc = append_bytes(ARRAY(a), PyByteArray_AS_STRING(init),
                          PyByteArray_GET_SIZE(init));
    }
    else if (PyUnicode_Check(init)) {
        Py_ssize_t n = PyUnicode_GET_LENGTH(init);
        NJ_SET(a, new_array(type, n, d));
        if (a == NULL) {
            return NULL;
        }
        rc = n == 0 || PyUnicode_AsUCS4(init, (Py_UCS4 *)ARRAY(a)->items, n, 0) ? 0 : -1;
    }
    else {
        rc = extend_iterable(ARRAY(a), init);
    }
    return rc < 0 ? NULL : NJ_TAKE(a);
}

/* ---- sequence ----------------------------------------------------------------------- */

static Py_ssize_t
array_length(PyObject *op)
{
    return Py_SIZE(op);
}

static PyObject *
array_item(PyObject *op, Py_ssize_t i)
{
    if (i < 0 || i >= Py_SIZE(op)) {
        PyErr_SetString(PyExc_IndexError, "array index out of range");
        return NULL;
    }
    return ARRAY(op)->descr->get(ARRAY(op), i);
}

static int
array_ass_item(PyObject *op, Py_ssize_t i, PyObject *v)
{
    if (i < 0 || i >= Py_SIZE(op)) {
        PyErr_SetString(PyExc_IndexError, "array assignment index out of range");
        return -1;
    }
    return v ? ARRAY(op)->descr->set(ARRAY(op), i, v)
             : splice(ARRAY(op), i, i + 1, NULL, 0);
}

static PyObject *
array_subscript(PyObject *op, PyObject *key)
{
    Array *a = ARRAY(op);
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return array_item(op, i < 0 ? i + Py_SIZE(a) : i);
    }
    if (!PySlice_Check(key)) {
        PyErr_SetString(PyExc_TypeError, "array indices must be integers");
        return NULL;
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return NULL;
    }
    Py_ssize_t n = PySlice_AdjustIndices(Py_SIZE(a), &start, &stop, step);
    State *st = type_state(Py_TYPE(op));
    PyObject *r = st ? new_array(st->array_type, n, a->descr) : NULL;
    if (r == NULL) {
        return NULL;
    }
    size_t size = (size_t)a->descr->size;
    if (step == 1) {
        if (n > 0) {
            memcpy(ARRAY(r)->items, a->items + (size_t)start * size, (size_t)n * size);
        }
    }
    else {
        for (Py_ssize_t i = 0, k = start; i < n; i++, k += step) {
            memcpy(ARRAY(r)->items + (size_t)i * size, a->items + (size_t)k * size, size);
        }
    }
    return r;
}

static int
array_ass_subscript(PyObject *op, PyObject *key, PyObject *value)
{
    Array *a = ARRAY(op);
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return -1;
        }
        return array_ass_item(op, i < 0 ? i + Py_SIZE(a) : i, value);
    }
    if (!PySlice_Check(key)) {
        PyErr_SetString(PyExc_TypeError, "array indices must be integers");
        return -1;
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return -1;
    }
    State *st = type_state(Py_TYPE(op));
    if (st == NULL) {
        return -1;
    }
    const char *src = NULL;
    Py_ssize_t m = 0;
    NJ_OWN copy = NULL;
    if (value != NULL) {
        if (!PyObject_TypeCheck(value, st->array_type)) {
            PyErr_Format(PyExc_TypeError, "can only assign array (not \"%.200s\") to array "
                                          "slice",
                         Py_TYPE(value)->tp_name);
            return -1;
        }
        if (ARRAY(value)->descr != a->descr) {
            PyErr_BadArgument();
            return -1;
        }
        if (value == op) {
            copy = PySequence_GetSlice(op, 0, Py_SIZE(op));
            if (copy == NULL) {
                return -1;
            }
            value = copy;
        }
        src = ARRAY(value)->items;
        m = Py_SIZE(value);
    }
    Py_ssize_t n = PySlice_AdjustIndices(Py_SIZE(a), &start, &stop, step);
    if ((step > 0 && stop < start) || (step < 0 && stop > start)) {
        stop = start;
    }
    if (step == 1) {
        return splice(a, start, stop, src, m);
    }
    size_t size = (size_t)a->descr->size;
    if (value == NULL) {
        if (n == 0) {
            return 0;
        }
        if (a->exports > 0) {
            PyErr_SetString(PyExc_BufferError,
                            "cannot resize an array that is exporting buffers");
            return -1;
        }
        if (step < 0) {
            start += (n - 1) * step;
            step = -step;
        }
        Py_ssize_t to = start;
        for (Py_ssize_t i = start, k = 0; i < Py_SIZE(a); i++) {
            if (k < n && i == start + k * step) {
                k++;
                continue;
            }
            memmove(a->items + (size_t)to * size, a->items + (size_t)i * size, size);
            to++;
        }
        return resize(a, to);
    }
    if (n != m) {
        PyErr_Format(PyExc_ValueError,
                     "attempt to assign array of size %zd to extended slice of size %zd", m,
                     n);
        return -1;
    }
    for (Py_ssize_t i = 0, k = start; i < n; i++, k += step) {
        memcpy(a->items + (size_t)k * size, src + (size_t)i * size, size);
    }
    return 0;
}

static PyObject *
array_concat(PyObject *op, PyObject *other)
{
    State *st = type_state(Py_TYPE(op));
    if (st == NULL) {
        return NULL;
    }
    if (!PyObject_TypeCheck(other, st->array_type)) {
        PyErr_Format(PyExc_TypeError, "can only append array (not \"%.200s\") to array",
                     Py_TYPE(other)->tp_name);
        return NULL;
    }
    Array *a = ARRAY(op), *b = ARRAY(other);
    if (a->descr != b->descr) {
        PyErr_BadArgument();
        return NULL;
    }
    if (Py_SIZE(a) > PY_SSIZE_T_MAX - Py_SIZE(b)) {
        return PyErr_NoMemory();
    }
    PyObject *r = new_array(st->array_type, Py_SIZE(a) + Py_SIZE(b), a->descr);
    if (r != NULL) {
        size_t size = (size_t)a->descr->size, n = (size_t)Py_SIZE(a) * size;
        if (n) {
            memcpy(ARRAY(r)->items, a->items, n);
        }
        if (Py_SIZE(b)) {
            memcpy(ARRAY(r)->items + n, b->items, (size_t)Py_SIZE(b) * size);
        }
    }
    return r;
}

static void
fill_copies(char *p, size_t n, Py_ssize_t count)
{
    size_t total = n * (size_t)count;
    for (size_t done = n; done < total;) { /* twice as much each time */
        size_t more = Py_MIN(done, total - done);
        memcpy(p + done, p, more);
        done += more;
    }
}

static PyObject *
array_repeat(PyObject *op, Py_ssize_t count)
{
    Array *a = ARRAY(op);
    State *st = type_state(Py_TYPE(op));
    if (st == NULL) {
        return NULL;
    }
    if (count < 0) {
        count = 0;
    }
    if (Py_SIZE(a) > 0 && count > PY_SSIZE_T_MAX / Py_SIZE(a)) {
        return PyErr_NoMemory();
    }
    PyObject *r = new_array(st->array_type, Py_SIZE(a) * count, a->descr);
    if (r != NULL && Py_SIZE(r) > 0) {
        size_t n = (size_t)(Py_SIZE(a) * a->descr->size);
        memcpy(ARRAY(r)->items, a->items, n);
        fill_copies(ARRAY(r)->items, n, count);
    }
    return r;
}

static PyObject *
array_inplace_concat(PyObject *op, PyObject *other)
{
    State *st = type_state(Py_TYPE(op));
    if (st == NULL) {
        return NULL;
    }
    if (!PyObject_TypeCheck(other, st->array_type)) {
        PyErr_Format(PyExc_TypeError, "can only extend array with array (not \"%.200s\")",
                     Py_TYPE(other)->tp_name);
        return NULL;
    }
    return extend(st, ARRAY(op), other) < 0 ? NULL : Py_NewRef(op);
}

static PyObject *
array_inplace_repeat(PyObject *op, Py_ssize_t count)
{
    Array *a = ARRAY(op);
    Py_ssize_t n = Py_SIZE(a);
    if (n > 0 && count != 1) {
        if (count < 0) {
            count = 0;
        }
        if (count > 0 && n * a->descr->size > PY_SSIZE_T_MAX / count) {
            return PyErr_NoMemory();
        }
        if (resize(a, n * count) < 0) {
            return NULL;
        }
        fill_copies(a->items, (size_t)(n * a->descr->size), count);
    }
    return Py_NewRef(op);
}

/* Items equal to a plain number, without making objects of them: how many there are in
 * [from, to), or with `first' the index of the first, -1 for none. False: it takes objects. */
static bool
scan_numbers(const Array *a, PyObject *v, Py_ssize_t from, Py_ssize_t to, bool first,
             Py_ssize_t *out)
{
    bool small = PyLong_CheckExact(v) && PyUnstable_Long_IsCompact((PyLongObject *)v);
    if (!small && (!PyFloat_CheckExact(v) || a->descr->is_int)) {
        return false;
    }
    long k = small ? PyUnstable_Long_CompactValue((PyLongObject *)v) : 0;
    double d = small ? (double)k : PyFloat_AS_DOUBLE(v);
    Py_ssize_t n = 0;
#define SCAN(CODE, T, WANTED)                                                            \
    case CODE: {                                                                         \
        const T *items = (const T *)a->items;                                            \
        for (Py_ssize_t i = from; i < to; i++) {                                         \
            if (items[i] == WANTED) {                                                    \
                if (first) {                                                             \
                    *out = i;                                                            \
                    return true;                                                         \
                }                                                                        \
                n++;                                                                     \
            }                                                                            \
        }                                                                                \
        break;                                                                           \
    }
    switch (a->descr->code) {
        SCAN('b', signed char, k)
        SCAN('B', unsigned char, k)
        SCAN('h', short, k)
        SCAN('H', unsigned short, k)
        SCAN('i', int, k)
        SCAN('I', unsigned int, k)
        SCAN('l', long, k)
        SCAN('q', long, k)
        SCAN('f', float, d)
        SCAN('d', double, d)
    default:
        return false;
    }
#undef SCAN
    *out = first ? -1 : n;
    return true;
}

static Py_ssize_t
find(Array *a, PyObject *v, Py_ssize_t from, Py_ssize_t to)
{
    Py_ssize_t found;
    if (scan_numbers(a, v, from, Py_MIN(to, Py_SIZE(a)), true, &found)) {
        return found;
    }
    for (Py_ssize_t i = from; i < to && i < Py_SIZE(a); i++) {
        NJ_OWN item = a->descr->get(a, i);
        int eq = item ? PyObject_RichCompareBool(item, v, Py_EQ) : -1;
        if (eq < 0) {
            return -2;
        }
        if (eq) {
            return i;
        }
    }
    return -1;
}

static int
array_contains(PyObject *op, PyObject *v)
{
    Py_ssize_t i = find(ARRAY(op), v, 0, PY_SSIZE_T_MAX);
    return i == -2 ? -1 : i >= 0;
}

static int
compare_raw(const Array *a, const Array *b, Py_ssize_t i)
{
#define CMP(T)                                                                           \
    {                                                                                    \
        T x = ((const T *)a->items)[i], y = ((const T *)b->items)[i];                    \
        return (x > y) - (x < y);                                                        \
    }
    switch (a->descr->code) {
    case 'b':
        CMP(signed char)
    case 'B':
        CMP(unsigned char)
    case 'h':
        CMP(short)
    case 'H':
        CMP(unsigned short)
    case 'i':
        CMP(int)
    case 'I':
        CMP(unsigned int)
    case 'l':
    case 'q':
        CMP(long)
    case 'L':
    case 'Q':
        CMP(unsigned long)
    default:
        CMP(Py_UCS4)
    }
#undef CMP
}

static PyObject *
array_richcompare(PyObject *v, PyObject *w, int op)
{
    State *st = type_state(Py_TYPE(v));
    if (st == NULL) {
        return NULL;
    }
    if (!PyObject_TypeCheck(v, st->array_type) || !PyObject_TypeCheck(w, st->array_type)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    Array *a = ARRAY(v), *b = ARRAY(w);
    if (Py_SIZE(a) != Py_SIZE(b) && (op == Py_EQ || op == Py_NE)) {
        return PyBool_FromLong(op == Py_NE);
    }
    bool raw = a->descr == b->descr && (a->descr->is_int || is_text(a->descr));
    Py_ssize_t i = 0;
    if (raw) {
        size_t n = (size_t)(Py_MIN(Py_SIZE(a), Py_SIZE(b)) * a->descr->size);
        if (n == 0 || memcmp(a->items, b->items, n) == 0) {
            Py_RETURN_RICHCOMPARE(Py_SIZE(a), Py_SIZE(b), op);
        }
    }
    else if (a->descr == b->descr && a->descr->code == 'd') {
        /* past the equal ones; what differs, or is no number, is left to objects */
        const double *x = (const double *)a->items, *y = (const double *)b->items;
        while (i < Py_SIZE(a) && i < Py_SIZE(b) && x[i] == y[i]) {
            i++;
        }
    }
    for (; i < Py_SIZE(a) && i < Py_SIZE(b); i++) {
        if (raw) {
            int c = compare_raw(a, b, i);
            if (c != 0) {
                Py_RETURN_RICHCOMPARE(c, 0, op);
            }
            continue;
        }
        NJ_OWN x = a->descr->get(a, i);
        NJ_OWN y = b->descr->get(b, i);
        if (x == NULL || y == NULL) {
            return NULL;
        }
        int eq = PyObject_RichCompareBool(x, y, Py_EQ);
        if (eq < 0) {
            return NULL;
        }
        if (!eq) {
            if (op == Py_EQ || op == Py_NE) {
                return PyBool_FromLong(op == Py_NE);
            }
            return PyObject_RichCompare(x, y, op);
        }
    }
    Py_RETURN_RICHCOMPARE(Py_SIZE(a), Py_SIZE(b), op);
}

/* ---- buffer ------------------------------------------------------------------------- */

static int
array_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    Array *a = ARRAY(op);
    if (view == NULL) {
        PyErr_SetString(PyExc_BufferError,
                        "array_buffer_getbuf: view==NULL argument is obsolete");
        return -1;
    }
    view->buf = a->items ? a->items : (char *)"";
    view->obj = Py_NewRef(op);
    view->len = Py_SIZE(a) * a->descr->size;
    view->readonly = 0;
    view->ndim = 1;
    view->itemsize = a->descr->size;
    view->suboffsets = NULL;
    view->shape = flags & PyBUF_ND ? &((PyVarObject *)a)->ob_size : NULL;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? &view->itemsize : NULL;
    view->format = flags & PyBUF_FORMAT ? (char *)a->descr->format : NULL;
    view->internal = NULL;
    a->exports++;
    return 0;
}

static void
array_releasebuffer(PyObject *op, Py_buffer *Py_UNUSED(view))
{
    ARRAY(op)->exports--;
}

/* ---- methods ------------------------------------------------------------------------ */

static PyObject *
array_append(PyObject *op, PyObject *v)
{
    if (insert(ARRAY(op), Py_SIZE(op), v) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
array_buffer_info(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("Nn", PyLong_FromVoidPtr(ARRAY(op)->items), Py_SIZE(op));
}

static PyObject *
array_byteswap(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Array *a = ARRAY(op);
#define SWAP(BITS)                                                                       \
    case BITS / 8:                                                                       \
        for (Py_ssize_t i = 0; i < Py_SIZE(a); i++) {                                    \
            uint##BITS##_t *p = (uint##BITS##_t *)a->items + i;                          \
            *p = __builtin_bswap##BITS(*p);                                              \
        }                                                                                \
        break;
    switch (a->descr->size) {
        SWAP(16)
        SWAP(32)
        SWAP(64)
    }
#undef SWAP
    Py_RETURN_NONE;
}

static PyObject *
array_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (resize(ARRAY(op), 0) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
array_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    State *st = type_state(Py_TYPE(op));
    PyObject *r = st ? new_array(st->array_type, Py_SIZE(op), ARRAY(op)->descr) : NULL;
    if (r != NULL && Py_SIZE(op) > 0) {
        memcpy(ARRAY(r)->items, ARRAY(op)->items,
               (size_t)(Py_SIZE(op) * ARRAY(op)->descr->size));
    }
    return r;
}

static PyObject *
array_deepcopy(PyObject *op, PyObject *Py_UNUSED(memo))
{
    return array_copy(op, NULL);
}

static PyObject *
array_count(PyObject *op, PyObject *v)
{
    Py_ssize_t n = 0;
    if (scan_numbers(ARRAY(op), v, 0, Py_SIZE(op), false, &n)) {
        return PyLong_FromSsize_t(n);
    }
    for (Py_ssize_t i = 0; i < Py_SIZE(op); i++) {
        NJ_OWN item = ARRAY(op)->descr->get(ARRAY(op), i);
        int eq = item ? PyObject_RichCompareBool(item, v, Py_EQ) : -1;
        if (eq < 0) {
            return NULL;
        }
        n += eq;
    }
    return PyLong_FromSsize_t(n);
}

static PyObject *
array_extend(PyObject *op, PyObject *o)
{
    State *st = type_state(Py_TYPE(op));
    if (st == NULL || extend(st, ARRAY(op), o) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
array_frombytes(PyObject *op, PyObject *o)
{
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(o, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (view.itemsize != 1) {
        PyErr_SetString(PyExc_TypeError, "a bytes-like object is required");
        return NULL;
    }
    if (append_bytes(ARRAY(op), view.buf, view.len) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
array_fromfile(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *f;
    Py_ssize_t n;
    if (!_PyArg_ParseStack(args, nargs, "On:fromfile", &f, &n)) {
        return NULL;
    }
    if (n < 0) {
        PyErr_SetString(PyExc_ValueError, "negative count");
        return NULL;
    }
    if (n > PY_SSIZE_T_MAX / ARRAY(op)->descr->size) {
        return PyErr_NoMemory();
    }
    Py_ssize_t want = n * ARRAY(op)->descr->size;
    NJ_OWN b = PyObject_CallMethod(f, "read", "n", want);
    if (b == NULL) {
        return NULL;
    }
    if (!PyBytes_Check(b)) {
        PyErr_SetString(PyExc_TypeError, "read() didn't return bytes");
        return NULL;
    }
    bool enough = PyBytes_GET_SIZE(b) == want;
    NJ_OWN r = array_frombytes(op, b);
    if (r == NULL) {
        return NULL;
    }
    if (!enough) {
        PyErr_SetString(PyExc_EOFError, "read() didn't return enough bytes");
        return NULL;
    }
    return NJ_TAKE(r);
}

static PyObject *
array_tofile(PyObject *op, PyObject *f)
{
    Py_ssize_t n = Py_SIZE(op) * ARRAY(op)->descr->size;
    if (Py_SIZE(op) == 0) {
        Py_RETURN_NONE;
    }
    const Py_ssize_t block = 64 * 1024;
    for (Py_ssize_t i = 0; i < n; i += block) {
        NJ_OWN b = PyBytes_FromStringAndSize(ARRAY(op)->items + i,
                                             n - i < block ? n - i : block);
        if (b == NULL) {
            return NULL;
        }
        NJ_OWN r = PyObject_CallMethod(f, "write", "O", b);
        if (r == NULL) {
            return NULL;
        }
        if (Py_SIZE(op) * ARRAY(op)->descr->size < n) { /* write() shrank us */
            n = Py_SIZE(op) * ARRAY(op)->descr->size;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
array_fromlist(PyObject *op, PyObject *list)
{
    Array *a = ARRAY(op);
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "arg must be list");
        return NULL;
    }
    Py_ssize_t n = PyList_GET_SIZE(list);
    if (n > 0) {
        Py_ssize_t old = Py_SIZE(a);
        if (resize(a, old + n) < 0) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            NJ_OWN v = PyList_GetItemRef(list, i);
            if (v == NULL || a->descr->set(a, Py_SIZE(a) - n + i, v) < 0) {
                (void)resize(a, old);
                return NULL;
            }
            if (n != PyList_GET_SIZE(list)) {
                PyErr_SetString(PyExc_RuntimeError, "list changed size during iteration");
                (void)resize(a, old);
                return NULL;
            }
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
array_fromunicode(PyObject *op, PyObject *s)
{
    if (!PyUnicode_Check(s)) {
        PyErr_Format(PyExc_TypeError, "fromunicode() argument must be str, not %T", s);
        return NULL;
    }
    if (!is_text(ARRAY(op)->descr)) {
        PyErr_SetString(PyExc_ValueError, "fromunicode() may only be called on unicode type "
                                          "arrays ('u' or 'w')");
        return NULL;
    }
    if (append_text(ARRAY(op), s) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
text_of(Array *a)
{
    for (Py_ssize_t i = 0; i < Py_SIZE(a); i++) {
        Py_UCS4 c = ((const Py_UCS4 *)a->items)[i];
        if (c > 0x10ffff) {
            PyErr_Format(PyExc_ValueError,
                         "character U+%x is not in range [U+0000; U+10ffff]", (unsigned)c);
            return NULL;
        }
    }
    return PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, a->items, Py_SIZE(a));
}

static PyObject *
array_tounicode(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (!is_text(ARRAY(op)->descr)) {
        PyErr_SetString(PyExc_ValueError, "tounicode() may only be called on unicode type "
                                          "arrays ('u' or 'w')");
        return NULL;
    }
    return text_of(ARRAY(op));
}

static int
slice_index(PyObject *o, Py_ssize_t *out)
{
    if (!PyIndex_Check(o)) {
        PyErr_SetString(PyExc_TypeError,
                        "slice indices must be integers or have an __index__ method");
        return -1;
    }
    *out = PyNumber_AsSsize_t(o, NULL);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
array_index(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t start = 0, stop = PY_SSIZE_T_MAX;
    if (nargs < 1 || nargs > 3) {
        PyErr_Format(PyExc_TypeError, "index expected at %s %d argument%s, got %zd",
                     nargs < 1 ? "least" : "most", nargs < 1 ? 1 : 3, nargs < 1 ? "" : "s",
                     nargs);
        return NULL;
    }
    if ((nargs > 1 && slice_index(args[1], &start) < 0) ||
        (nargs > 2 && slice_index(args[2], &stop) < 0)) {
        return NULL;
    }
    if (start < 0) {
        start += Py_SIZE(op);
        if (start < 0) {
            start = 0;
        }
    }
    if (stop < 0) {
        stop += Py_SIZE(op);
    }
    Py_ssize_t i = find(ARRAY(op), args[0], start, stop);
    if (i >= 0) {
        return PyLong_FromSsize_t(i);
    }
    if (i == -1) {
        PyErr_SetString(PyExc_ValueError, "array.index(x): x not in array");
    }
    return NULL;
}

static PyObject *
array_insert(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "insert expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    NJ_OWN n = PyNumber_Index(args[0]);
    if (n == NULL) {
        return NULL;
    }
    Py_ssize_t i = PyLong_AsSsize_t(n);
    if ((i == -1 && PyErr_Occurred()) || insert(ARRAY(op), i, args[1]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
array_pop(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t i = -1;
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "pop expected at most 1 argument, got %zd", nargs);
        return NULL;
    }
    if (nargs == 1) {
        NJ_OWN n = PyNumber_Index(args[0]);
        if (n == NULL) {
            return NULL;
        }
        i = PyLong_AsSsize_t(n);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (Py_SIZE(op) == 0) {
        PyErr_SetString(PyExc_IndexError, "pop from empty array");
        return NULL;
    }
    if (i < 0) {
        i += Py_SIZE(op);
    }
    if (i < 0 || i >= Py_SIZE(op)) {
        PyErr_SetString(PyExc_IndexError, "pop index out of range");
        return NULL;
    }
    NJ_OWN v = ARRAY(op)->descr->get(ARRAY(op), i);
    if (v == NULL || splice(ARRAY(op), i, i + 1, NULL, 0) < 0) {
        return NULL;
    }
    return NJ_TAKE(v);
}

static PyObject *
array_remove(PyObject *op, PyObject *v)
{
    Py_ssize_t i = find(ARRAY(op), v, 0, PY_SSIZE_T_MAX);
    if (i >= 0) {
        if (splice(ARRAY(op), i, i + 1, NULL, 0) < 0) {
            return NULL;
        }
        Py_RETURN_NONE;
    }
    if (i == -1) {
        PyErr_SetString(PyExc_ValueError, "array.remove(x): x not in array");
    }
    return NULL;
}

static PyObject *
array_reverse(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Array *a = ARRAY(op);
    size_t size = (size_t)a->descr->size;
    char tmp[16];
    for (Py_ssize_t i = 0, j = Py_SIZE(a) - 1; i < j; i++, j--) {
        char *x = a->items + (size_t)i * size, *y = a->items + (size_t)j * size;
        memcpy(tmp, x, size);
        memcpy(x, y, size);
        memcpy(y, tmp, size);
    }
    Py_RETURN_NONE;
}

static PyObject *
array_tolist(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NJ_OWN list = PyList_New(Py_SIZE(op));
    for (Py_ssize_t i = 0; list != NULL && i < Py_SIZE(op); i++) {
        PyObject *v = ARRAY(op)->descr->get(ARRAY(op), i);
        if (v == NULL) {
            return NULL;
        }
        PyList_SET_ITEM(list, i, v);
    }
    return NJ_TAKE(list);
}

static PyObject *
array_tobytes(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBytes_FromStringAndSize(ARRAY(op)->items,
                                     Py_SIZE(op) * ARRAY(op)->descr->size);
}

static PyObject *
array_sizeof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSsize_t(Py_TYPE(op)->tp_basicsize +
                              ARRAY(op)->allocated * ARRAY(op)->descr->size);
}

/* ---- pickling: machine formats ------------------------------------------------------ */

enum {
    FORMAT_UNKNOWN = -1,
    FORMAT_UINT8,
    FORMAT_INT8,
    FORMAT_UINT16_LE,
    FORMAT_UINT16_BE,
    FORMAT_INT16_LE,
    FORMAT_INT16_BE,
    FORMAT_UINT32_LE,
    FORMAT_UINT32_BE,
    FORMAT_INT32_LE,
    FORMAT_INT32_BE,
    FORMAT_UINT64_LE,
    FORMAT_UINT64_BE,
    FORMAT_INT64_LE,
    FORMAT_INT64_BE,
    FORMAT_FLOAT_LE,
    FORMAT_FLOAT_BE,
    FORMAT_DOUBLE_LE,
    FORMAT_DOUBLE_BE,
    FORMAT_UTF16_LE,
    FORMAT_UTF16_BE,
    FORMAT_UTF32_LE,
    FORMAT_UTF32_BE,
    FORMAT_COUNT,
};

static const struct {
    int size;
    bool is_signed, big;
} formats[FORMAT_COUNT] = {
    {1, false, false}, {1, true, false}, {2, false, false}, {2, false, true},
    {2, true, false},  {2, true, true},  {4, false, false}, {4, false, true},
    {4, true, false},  {4, true, true},  {8, false, false}, {8, false, true},
    {8, true, false},  {8, true, true},  {4, false, false}, {4, false, true},
    {8, false, false}, {8, false, true}, {4, false, false}, {4, false, true},
    {8, false, false}, {8, false, true},
};

static int
format_of(const Descr *d)
{
    int big = PY_BIG_ENDIAN;
    switch (d->code) {
    case 'b':
        return FORMAT_INT8;
    case 'B':
        return FORMAT_UINT8;
    case 'u':
    case 'w':
        return FORMAT_UTF32_LE + big;
    case 'f':
        return FORMAT_FLOAT_LE + big;
    case 'd':
        return FORMAT_DOUBLE_LE + big;
    }
    int base = d->size == 2   ? FORMAT_UINT16_LE
               : d->size == 4 ? FORMAT_UINT32_LE
                              : FORMAT_UINT64_LE;
    return base + big + (d->is_signed ? 2 : 0);
}

static PyObject *
make_from(PyTypeObject *type, int code, PyObject *items)
{
    NJ_OWN c = PyUnicode_FromOrdinal(code);
    NJ_OWN args = c ? PyTuple_Pack(2, c, items) : NULL;
    NJ_OWN a = args ? array_new(type, args, NULL) : NULL;
    return NJ_TAKE(a);
}

static PyObject *
array_reconstructor(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    PyTypeObject *type;
    int code, format;
    PyObject *items;
    if (!_PyArg_ParseStack(args, nargs, "OCiO:_array_reconstructor", &type, &code, &format,
                          &items)) {
        return NULL;
    }
    State *st = PyModule_GetState(m);
    if (!PyType_Check(type)) {
        PyErr_Format(PyExc_TypeError, "first argument must be a type object, not %T",
                     (PyObject *)type);
        return NULL;
    }
    if (!PyType_IsSubtype(type, st->array_type)) {
        PyErr_Format(PyExc_TypeError, "%.200s is not a subtype of %.200s", type->tp_name,
                     st->array_type->tp_name);
        return NULL;
    }
    const Descr *d = find_descr((Py_UCS4)code);
    if (d == NULL) {
        PyErr_SetString(PyExc_ValueError, "second argument must be a valid type code");
        return NULL;
    }
    if (format < 0 || format >= FORMAT_COUNT) {
        PyErr_SetString(PyExc_ValueError,
                        "third argument must be a valid machine format code.");
        return NULL;
    }
    if (!PyBytes_Check(items)) {
        PyErr_Format(PyExc_TypeError, "fourth argument should be bytes, not %T", items);
        return NULL;
    }
    if (format == format_of(d)) {
        return make_from(type, code, items);
    }
    const char *p = PyBytes_AS_STRING(items);
    Py_ssize_t len = PyBytes_GET_SIZE(items);
    NJ_OWN converted = NULL;
    if (format >= FORMAT_UTF16_LE) {
        int order = (format - FORMAT_UTF16_LE) % 2 ? 1 : -1;
        converted = format < FORMAT_UTF32_LE
                        ? PyUnicode_DecodeUTF16(p, len, "strict", &order)
                        : PyUnicode_DecodeUTF32(p, len, "strict", &order);
    }
    else {
        int size = formats[format].size;
        if (len % size != 0) {
            PyErr_SetString(PyExc_ValueError, "bytes length not a multiple of item size");
            return NULL;
        }
        converted = PyList_New(len / size);
        for (Py_ssize_t i = 0; converted != NULL && i < len / size; i++) {
            const char *q = p + i * size;
            PyObject *v;
            if (format == FORMAT_FLOAT_LE || format == FORMAT_FLOAT_BE) {
                v = PyFloat_FromDouble(PyFloat_Unpack4(q, !formats[format].big));
            }
            else if (format >= FORMAT_DOUBLE_LE) {
                v = PyFloat_FromDouble(PyFloat_Unpack8(q, !formats[format].big));
            }
            else {
                v = _PyLong_FromByteArray((const unsigned char *)q, (size_t)size,
                                          !formats[format].big, formats[format].is_signed);
                /* The type code may not fit what the machine that wrote it had: take
                 * one of the same size and sign. */
                if (d->is_int) {
                    for (const Descr *x = descriptors; x->code; x++) {
                        if (x->is_int && x->size == size &&
                            x->is_signed == formats[format].is_signed) {
                            code = d->size == size && d->is_signed == x->is_signed ? d->code
                                                                                   : x->code;
                        }
                    }
                }
            }
            if (v == NULL) {
                return NULL;
            }
            PyList_SET_ITEM(converted, i, v);
        }
    }
    return converted ? make_from(type, code, converted) : NULL;
}

static PyObject *
array_reduce_ex(PyObject *op, PyObject *value)
{
    Array *a = ARRAY(op);
    if (!PyLong_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "__reduce_ex__ argument should be an integer");
        return NULL;
    }
    long protocol = PyLong_AsLong(value);
    if (protocol == -1 && PyErr_Occurred()) {
        return NULL;
    }
    NJ_OWN dict = NULL;
    if (PyObject_GetOptionalAttrString(op, "__dict__", &dict) < 0) {
        return NULL;
    }
    PyObject *state = dict ? dict : Py_None;
    if (protocol < 3) {
        NJ_OWN list = is_text(a->descr) ? text_of(a) : array_tolist(op, NULL);
        return list ? Py_BuildValue("O(CO)O", Py_TYPE(op), a->descr->code, list, state)
                    : NULL;
    }
    NJ_OWN m = PyImport_ImportModule("array");
    NJ_OWN f = m ? PyObject_GetAttrString(m, "_array_reconstructor") : NULL;
    NJ_OWN bytes = f ? array_tobytes(op, NULL) : NULL;
    return bytes ? Py_BuildValue("O(OCiO)O", f, Py_TYPE(op), a->descr->code,
                                 format_of(a->descr), bytes, state)
                 : NULL;
}

static PyObject *
array_repr(PyObject *op)
{
    Array *a = ARRAY(op);
    NJ_OWN name = PyType_GetName(Py_TYPE(op));
    if (name == NULL) {
        return NULL;
    }
    if (Py_SIZE(a) == 0) {
        return PyUnicode_FromFormat("%U('%c')", name, a->descr->code);
    }
    NJ_OWN v = is_text(a->descr) ? text_of(a) : array_tolist(op, NULL);
    return v ? PyUnicode_FromFormat("%U('%c', %R)", name, a->descr->code, v) : NULL;
}

static PyObject *
get_typecode(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromOrdinal(ARRAY(op)->descr->code);
}

static PyObject *
get_itemsize(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(ARRAY(op)->descr->size);
}

static PyObject *
array_iter(PyObject *op)
{
    State *st = type_state(Py_TYPE(op));
    if (st == NULL) {
        return NULL;
    }
    ArrayIter *it = PyObject_GC_New(ArrayIter, st->iter_type);
    if (it == NULL) {
        return NULL;
    }
    it->ao = ARRAY(Py_NewRef(op));
    it->index = 0;
    it->descr = ARRAY(op)->descr;
    PyObject_GC_Track((PyObject *)it);
    return (PyObject *)it;
}

static PyMethodDef array_methods[] = {
    {"append", array_append, METH_O,
     "append($self, v, /)\n--\n\nAppends an item."},
    {"buffer_info", array_buffer_info, METH_NOARGS,
     "buffer_info($self, /)\n--\n\nThe pair (address of the items, how many)."},
    {"byteswap", array_byteswap, METH_NOARGS,
     "byteswap($self, /)\n--\n\nReverses the bytes of every item."},
    {"clear", array_clear, METH_NOARGS, "clear($self, /)\n--\n\nRemoves all items."},
    {"__copy__", array_copy, METH_NOARGS, "__copy__($self, /)\n--\n\nA copy of the array."},
    {"count", array_count, METH_O,
     "count($self, v, /)\n--\n\nHow many items equal v."},
    {"__deepcopy__", array_deepcopy, METH_O,
     "__deepcopy__($self, unused, /)\n--\n\nA copy of the array."},
    {"extend", array_extend, METH_O,
     "extend($self, bb, /)\n--\n\nAppends the items of an iterable."},
    {"fromfile", (PyCFunction)(void *)array_fromfile, METH_FASTCALL,
     "fromfile($self, f, n, /)\n--\n\nAppends n items read from a file."},
    {"fromlist", array_fromlist, METH_O,
     "fromlist($self, list, /)\n--\n\nAppends the items of a list."},
    {"frombytes", array_frombytes, METH_O,
     "frombytes($self, buffer, /)\n--\n\nAppends items given by their bytes."},
    {"fromunicode", array_fromunicode, METH_O,
     "fromunicode($self, ustr, /)\n--\n\nAppends the characters of a string."},
    {"index", (PyCFunction)(void *)array_index, METH_FASTCALL,
     "index($self, v, start=0, stop=sys.maxsize, /)\n--\n\n"
     "The index of the first item that equals v."},
    {"insert", (PyCFunction)(void *)array_insert, METH_FASTCALL,
     "insert($self, i, v, /)\n--\n\nInserts an item before position i."},
    {"pop", (PyCFunction)(void *)array_pop, METH_FASTCALL,
     "pop($self, i=-1, /)\n--\n\nRemoves item i and returns it."},
    {"__reduce_ex__", array_reduce_ex, METH_O,
     "__reduce_ex__($self, value, /)\n--\n\nReturn state information for pickling."},
    {"remove", array_remove, METH_O,
     "remove($self, v, /)\n--\n\nRemoves the first item that equals v."},
    {"reverse", array_reverse, METH_NOARGS,
     "reverse($self, /)\n--\n\nReverses the order of the items."},
    {"tofile", array_tofile, METH_O,
     "tofile($self, f, /)\n--\n\nWrites all items to a file."},
    {"tolist", array_tolist, METH_NOARGS, "tolist($self, /)\n--\n\nThe items as a list."},
    {"tobytes", array_tobytes, METH_NOARGS,
     "tobytes($self, /)\n--\n\nThe bytes of all items."},
    {"tounicode", array_tounicode, METH_NOARGS,
     "tounicode($self, /)\n--\n\nThe characters as a string."},
    {"__sizeof__", array_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nBytes that this object takes."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nSee PEP 585"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef array_getset[] = {
    {"typecode", get_typecode, NULL, "the typecode character used to create the array",
     NULL},
    {"itemsize", get_itemsize, NULL, "the size, in bytes, of one array item", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef array_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Array, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot array_slots[] = {
    {Py_tp_dealloc, array_dealloc},
    {Py_tp_repr, array_repr},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_doc,
     "array(typecode [, initializer]) -> array\n\n"
     "A compact, mutable sequence of numbers or characters of one kind. The type code\n"
     "is one of b B (1 byte), h H (2), i I (4), l L q Q (8), f d (floating point),\n"
     "u w (characters); capital letters are unsigned. The initializer is a list, bytes,\n"
     "a string (for u and w) or any iterable."},
    {Py_tp_richcompare, array_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_iter, array_iter},
    {Py_tp_methods, array_methods},
    {Py_tp_members, array_members},
    {Py_tp_getset, array_getset},
    {Py_tp_alloc, PyType_GenericAlloc},
    {Py_tp_new, array_new},
    {Py_tp_traverse, array_traverse},
    {Py_sq_length, array_length},
    {Py_sq_concat, array_concat},
    {Py_sq_repeat, array_repeat},
    {Py_sq_item, array_item},
    {Py_sq_ass_item, array_ass_item},
    {Py_sq_contains, array_contains},
    {Py_sq_inplace_concat, array_inplace_concat},
    {Py_sq_inplace_repeat, array_inplace_repeat},
    {Py_mp_length, array_length},
    {Py_mp_subscript, array_subscript},
    {Py_mp_ass_subscript, array_ass_subscript},
    {Py_bf_getbuffer, array_getbuffer},
    {Py_bf_releasebuffer, array_releasebuffer},
    {0, NULL},
};

static PyType_Spec array_spec = {
    .name = "array.array",
    .basicsize = sizeof(Array),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_SEQUENCE,
    .slots = array_slots,
};

/* ---- iterator ----------------------------------------------------------------------- */

static void
iter_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_XDECREF((PyObject *)((ArrayIter *)op)->ao);
    PyObject_GC_Del(op);
    Py_DECREF(tp);
}

static int
iter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT((PyObject *)((ArrayIter *)op)->ao);
    return 0;
}

static PyObject *
iter_next(PyObject *op)
{
    ArrayIter *it = (ArrayIter *)op;
    if (it->ao == NULL) {
        return NULL;
    }
    if (it->index < Py_SIZE(it->ao)) {
        return it->descr->get(it->ao, it->index++);
    }
    Py_CLEAR(it->ao);
    return NULL;
}

static PyObject *
iter_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ArrayIter *it = (ArrayIter *)op;
    NJ_OWN iter = PyImport_ImportModuleAttrString("builtins", "iter");
    if (iter == NULL) {
        return NULL;
    }
    if (it->ao == NULL) {
        return Py_BuildValue("O(())", iter);
    }
    return Py_BuildValue("O(O)n", iter, (PyObject *)it->ao, it->index);
}

static PyObject *
iter_setstate(PyObject *op, PyObject *state)
{
    ArrayIter *it = (ArrayIter *)op;
    Py_ssize_t i = PyLong_AsSsize_t(state);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (it->ao != NULL) {
        it->index = i < 0 ? 0 : i > Py_SIZE(it->ao) ? Py_SIZE(it->ao) : i;
    }
    Py_RETURN_NONE;
}

static PyMethodDef iter_methods[] = {
    {"__reduce__", iter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {"__setstate__", iter_setstate, METH_O,
     "__setstate__($self, state, /)\n--\n\nSet state information for unpickling."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot iter_slots[] = {
    {Py_tp_dealloc, iter_dealloc},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_traverse, iter_traverse},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iter_next},
    {Py_tp_methods, iter_methods},
    {0, NULL},
};

static PyType_Spec iter_spec = {
    .name = "array.arrayiterator",
    .basicsize = sizeof(ArrayIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = iter_slots,
};

/* ---- the module --------------------------------------------------------------------- */

static int
array_exec(PyObject *m)
{
    State *st = PyModule_GetState(m);
    st->array_type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &array_spec, NULL);
    st->iter_type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &iter_spec, NULL);
    if (st->array_type == NULL || st->iter_type == NULL) {
        return -1;
    }
    if (PyModule_AddObjectRef(m, "ArrayType", (PyObject *)st->array_type) < 0 ||
        PyModule_AddType(m, st->array_type) < 0) {
        return -1;
    }
    NJ_OWN abc = PyImport_ImportModuleAttrString("collections.abc", "MutableSequence");
    NJ_OWN r = abc ? PyObject_CallMethod(abc, "register", "O", st->array_type) : NULL;
    if (r == NULL) {
        return -1;
    }
    char codes[NJ_ARRAY_LEN(descriptors)];
    for (size_t i = 0; i < NJ_ARRAY_LEN(descriptors); i++) {
        codes[i] = descriptors[i].code;
    }
    return PyModule_AddStringConstant(m, "typecodes", codes);
}

static int
array_module_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(m);
    Py_VISIT(st->array_type);
    Py_VISIT(st->iter_type);
    return 0;
}

static int
array_module_clear(PyObject *m)
{
    State *st = PyModule_GetState(m);
    Py_CLEAR(st->array_type);
    Py_CLEAR(st->iter_type);
    return 0;
}

static void
array_module_free(void *m)
{
    array_module_clear(m);
}

static PyMethodDef module_methods[] = {
    {"_array_reconstructor", (PyCFunction)(void *)array_reconstructor, METH_FASTCALL,
     "_array_reconstructor($module, arraytype, typecode, mformat_code, items,\n"
     "                     /)\n--\n\nInternal. Used for pickling support."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, array_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef array_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "array",
    .m_doc = "Compact arrays of numbers and characters.",
    .m_size = sizeof(State),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = array_module_traverse,
    .m_clear = array_module_clear,
    .m_free = array_module_free,
};

PyMODINIT_FUNC PyInit_array(void);
PyMODINIT_FUNC
PyInit_array(void)
{
    return PyModuleDef_Init(&array_module);
}

/* time.c - datetime.time.
 * SPDX-License-Identifier: MIT
 */
#include "datetime_int.h"

#include "capi/args.h"

/* ---- construction -------------------------------------------------------------------- */

static PyObject *
alloc_time(PyTypeObject *type, PyObject *tz)
{
    bool aware = tz != Py_None;
    Time *t;
    if (type == &NjTime_Type) {
        t = PyObject_Malloc(aware ? sizeof(Time) : sizeof(_PyDateTime_BaseTime));
        if (t == NULL) {
            return PyErr_NoMemory();
        }
        PyObject_Init((PyObject *)t, type);
    }
    else {
        t = TIME(type->tp_alloc(type, aware));
        if (t == NULL) {
            return NULL;
        }
    }
    t->hashcode = -1;
    t->hastzinfo = aware;
    if (aware) {
        t->tzinfo = Py_NewRef(tz);
    }
    return (PyObject *)t;
}

static PyObject *
time_alloc(PyTypeObject *type, Py_ssize_t aware)
{
    size_t n = type->tp_basicsize > (Py_ssize_t)sizeof(Time) ? (size_t)type->tp_basicsize
               : aware                                       ? sizeof(Time)
                                                             : sizeof(_PyDateTime_BaseTime);
    PyObject *op = PyObject_Malloc(n);
    if (op == NULL) {
        return PyErr_NoMemory();
    }
    memset(op, 0, n);
    return PyObject_Init(op, type);
}

PyObject *
nj_new_time(const Fields *f, PyObject *tz, PyTypeObject *type)
{
    if (nj_check_time(f) < 0 || nj_check_tzinfo(tz) < 0) {
        return NULL;
    }
    Time *t = TIME(alloc_time(type, tz));
    if (t) {
        t->data[0] = (unsigned char)f->hour;
        t->data[1] = (unsigned char)f->minute;
        t->data[2] = (unsigned char)f->second;
        t->data[3] = (unsigned char)(f->us >> 16);
        t->data[4] = (unsigned char)(f->us >> 8);
        t->data[5] = (unsigned char)f->us;
        t->fold = (unsigned char)f->fold;
    }
    return (PyObject *)t;
}

/* In the class of a subclass, by calling it. */
static PyObject *
make_time(const Fields *f, PyObject *tz, PyObject *cls)
{
    if (cls == (PyObject *)&NjTime_Type) {
        return nj_new_time(f, tz, &NjTime_Type);
    }
    PyObject *t =
        PyObject_CallFunction(cls, "iiiiO", f->hour, f->minute, f->second, f->us, tz);
    if (t && f->fold && IS_TIME(t)) {
        TIME(t)->fold = (unsigned char)f->fold;
    }
    return t;
}

static PyObject *
time_from_pickle(PyTypeObject *type, PyObject *state, PyObject *tz)
{
    if (tz != Py_None && !IS_TZINFO(tz)) {
        PyErr_SetString(PyExc_TypeError, "bad tzinfo state arg");
        return NULL;
    }
    Time *t = TIME(alloc_time(type, tz));
    if (t) {
        memcpy(t->data, PyBytes_AS_STRING(state), _PyDateTime_TIME_DATASIZE);
        t->fold = t->data[0] >> 7;
        t->data[0] &= 0x7f;
    }
    return (PyObject *)t;
}

static PyObject *
time_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"hour",        "minute", "second",
                               "microsecond", "tzinfo", "fold", NULL};
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject *tz = Py_None;
    if (n == 1 || n == 2) {
        NJ_OWN state = NULL;
        int r = nj_pickle_state(PyTuple_GET_ITEM(args, 0), _PyDateTime_TIME_DATASIZE, -1,
                                "time", &state);
        if (r != 0) {
            return r < 0 ? NULL
                         : time_from_pickle(type, state,
                                            n == 2 ? PyTuple_GET_ITEM(args, 1) : Py_None);
        }
    }
    Fields f = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|iiiiO$i", keywords, &f.hour, &f.minute,
                                     &f.second, &f.us, &tz, &f.fold)) {
        return NULL;
    }
    return nj_new_time(&f, tz, type);
}

static PyObject *
time_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (n <= 5 && kwnames == NULL) {
        int v[4] = {0};
        Py_ssize_t i = 0;
        while (i < n && i < 4 && small_int(args[i], &v[i])) {
            i++;
        }
        if (i == n || i == 4) {
            Fields f = {.hour = v[0], .minute = v[1], .second = v[2], .us = v[3]};
            return nj_new_time(&f, n == 5 ? args[4] : Py_None, (PyTypeObject *)type);
        }
    }
    return nj_new_by_tuple((PyTypeObject *)type, args, n, kwnames);
}

static void
time_dealloc(PyObject *op)
{
    if (TIME(op)->hastzinfo) {
        Py_XDECREF(TIME(op)->tzinfo);
    }
    Py_TYPE(op)->tp_free(op);
}

static PyObject *
time_fromisoformat(PyObject *cls, PyObject *text)
{
    if (!PyUnicode_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "fromisoformat: argument must be str");
        return NULL;
    }
    char small[ISO_MAX];
    int n;
    char *buf = nj_iso_bytes(text, small, &n);
    if (buf == NULL) {
        return NULL;
    }
    NJ_OWN_MEM(char) owned = buf == small ? NULL : buf;
    int skip = n > 0 && buf[0] == 'T'; /* a time may say that it is one */
    Fields f = {0};
    bool next_day;
    NJ_OWN tz = NULL;
    int r = nj_parse_iso_time(buf + skip, n - skip, &f, &next_day, &tz);
    if (r < 0) {
        if (r == -1) {
            PyErr_Format(PyExc_ValueError, "Invalid isoformat string: %R", text);
        }
        return NULL;
    }
    return make_time(&f, tz, cls);
}

static PyObject *
time_strptime(PyObject *cls, PyObject *args)
{
    return nj_strptime("_strptime_datetime_time", cls, args);
}

/* ---- text ---------------------------------------------------------------------------- */

static PyObject *
time_repr(PyObject *op)
{
    Fields f = time_fields(op);
    const char *name = Py_TYPE(op)->tp_name;
    NJ_OWN r = f.us ? PyUnicode_FromFormat("%s(%d, %d, %d, %d", name, f.hour, f.minute,
                                           f.second, f.us)
               : f.second
                   ? PyUnicode_FromFormat("%s(%d, %d, %d", name, f.hour, f.minute, f.second)
                   : PyUnicode_FromFormat("%s(%d, %d", name, f.hour, f.minute);
    if (r && TZINFO(op) != Py_None) {
        NJ_SET(r, PyUnicode_FromFormat("%U, tzinfo=%R", r, TZINFO(op)));
    }
    return r ? PyUnicode_FromFormat("%U%s)", r, f.fold ? ", fold=1" : "") : NULL;
}

static PyObject *
time_isoformat(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static char *keywords[] = {"timespec", NULL};
    const char *name = "auto";
    char buf[80];
    if (!nj_args_parse(args, nargs, kwnames, "|s:isoformat", keywords, &name)) {
        return NULL;
    }
    int spec = nj_timespec(name);
    if (spec < 0) {
        return NULL;
    }
    Fields f = time_fields(op);
    char *s = nj_put_time(buf, &f, spec);
    if (nj_put_offset(s, ":", TZINFO(op), Py_None) < 0) {
        return NULL;
    }
    return PyUnicode_FromString(buf);
}

static PyObject *
time_str(PyObject *op)
{
    return PyObject_CallMethodNoArgs(op, NJ_ID(isoformat));
}

static PyObject *
time_strftime(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static char *keywords[] = {"format", NULL};
    PyObject *format;
    if (!nj_args_parse(args, nargs, kwnames, "U:strftime", keywords, &format)) {
        return NULL;
    }
    Fields f = time_fields(op);
    NJ_OWN tuple = Py_BuildValue("iiiiiiiii", 1900, 1, 1, f.hour, f.minute, f.second, 0, 1,
                                 -1);
    return tuple ? nj_strftime(op, format, tuple, f.us, TZINFO(op), Py_None) : NULL;
}

/* ---- the rest ------------------------------------------------------------------------ */

static PyObject *
time_utcoffset(PyObject *op, PyObject *unused)
{
    return nj_call_utcoffset(TZINFO(op), Py_None);
}

static PyObject *
time_dst(PyObject *op, PyObject *unused)
{
    return nj_call_dst(TZINFO(op), Py_None);
}

static PyObject *
time_tzname(PyObject *op, PyObject *unused)
{
    return nj_call_tzname(TZINFO(op), Py_None);
}

static PyObject *
time_replace(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"hour",        "minute", "second",
                                        "microsecond", "tzinfo", "fold", NULL};
    static const NjParams params = {"replace", names, 5, 0, 0};
    PyObject *a[6];
    Fields f = time_fields(op);
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0 ||
        nj_int_arg(a[0], &f.hour) < 0 || nj_int_arg(a[1], &f.minute) < 0 ||
        nj_int_arg(a[2], &f.second) < 0 || nj_int_arg(a[3], &f.us) < 0 ||
        nj_int_arg(a[5], &f.fold) < 0) {
        return NULL;
    }
    return make_time(&f, a[4] ? a[4] : TZINFO(op), (PyObject *)Py_TYPE(op));
}

static int64_t
time_us(PyObject *op, PyObject *offset)
{
    Fields f = time_fields(op);
    int64_t us = (int64_t)seconds_of_day(&f) * US_PER_SECOND + f.us;
    return offset == Py_None ? us : us - (int64_t)delta_us(offset);
}

static PyObject *
time_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!IS_TIME(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (TZINFO(a) == TZINFO(b)) {
        return nj_compare_result(
            memcmp(TIME(a)->data, TIME(b)->data, _PyDateTime_TIME_DATASIZE), op);
    }
    NJ_OWN x = time_utcoffset(a, NULL);
    NJ_OWN y = x ? time_utcoffset(b, NULL) : NULL;
    if (y == NULL) {
        return NULL;
    }
    if ((x == Py_None) != (y == Py_None)) {
        if (op == Py_EQ || op == Py_NE) {
            return PyBool_FromLong(op == Py_NE);
        }
        PyErr_SetString(PyExc_TypeError, "can't compare offset-naive and offset-aware times");
        return NULL;
    }
    int64_t p = time_us(a, x), q = time_us(b, y);
    return nj_compare_result((p > q) - (p < q), op);
}

static Py_hash_t
time_hash(PyObject *op)
{
    Time *t = TIME(op);
    if (t->hashcode != -1) {
        return t->hashcode;
    }
    NJ_OWN plain = NULL; /* fold does not count */
    if (t->fold && t->hastzinfo) {
        Fields f = time_fields(op);
        f.fold = 0;
        plain = nj_new_time(&f, t->tzinfo, &NjTime_Type);
        if (plain == NULL) {
            return -1;
        }
    }
    NJ_OWN offset = time_utcoffset(plain ? plain : op, NULL);
    if (offset == NULL) {
        return -1;
    }
    if (offset == Py_None) {
        t->hashcode = Py_HashBuffer(t->data, _PyDateTime_TIME_DATASIZE);
        return t->hashcode;
    }
    int64_t us = time_us(op, offset);
    if (us >= 0 && us < US_PER_DAY) {
        int s = (int)(us / US_PER_SECOND);
        Fields f = {.hour = s / 3600,
                    .minute = s / 60 % 60,
                    .second = s % 60,
                    .us = (int)(us % US_PER_SECOND)};
        NJ_OWN utc = nj_new_time(&f, Py_None, &NjTime_Type);
        t->hashcode = utc ? PyObject_Hash(utc) : -1;
    }
    else {
        NJ_OWN delta = nj_delta_from_us(us);
        t->hashcode = delta ? PyObject_Hash(delta) : -1;
    }
    return t->hashcode;
}

static PyObject *
get_state(PyObject *op, int proto)
{
    Time *t = TIME(op);
    char data[_PyDateTime_TIME_DATASIZE];
    memcpy(data, t->data, sizeof(data));
    if (proto > 3 && t->fold) {
        data[0] |= (char)0x80;
    }
    PyObject *tz = TZINFO(op);
    return tz == Py_None ? Py_BuildValue("(y#)", data, (Py_ssize_t)sizeof(data))
                         : Py_BuildValue("y#O", data, (Py_ssize_t)sizeof(data), tz);
}

static PyObject *
time_reduce_ex(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    int proto;
    if (!_PyArg_ParseStack(args, nargs, "i:__reduce_ex__", &proto)) {
        return NULL;
    }
    NJ_OWN state = get_state(op, proto);
    return state ? Py_BuildValue("OO", Py_TYPE(op), state) : NULL;
}

static PyObject *
time_reduce(PyObject *op, PyObject *unused)
{
    NJ_OWN state = get_state(op, 2);
    return state ? Py_BuildValue("OO", Py_TYPE(op), state) : NULL;
}

#define GETTER(name, expr)                                                             \
    static PyObject *time_##name(PyObject *op, void *closure)                          \
    {                                                                                  \
        return expr;                                                                   \
    }

GETTER(hour, PyLong_FromLong(PyDateTime_TIME_GET_HOUR(op)))
GETTER(minute, PyLong_FromLong(PyDateTime_TIME_GET_MINUTE(op)))
GETTER(second, PyLong_FromLong(PyDateTime_TIME_GET_SECOND(op)))
GETTER(microsecond, PyLong_FromLong(PyDateTime_TIME_GET_MICROSECOND(op)))
GETTER(tzinfo, Py_NewRef(TZINFO(op)))
GETTER(fold, PyLong_FromLong(PyDateTime_TIME_GET_FOLD(op)))

static PyGetSetDef time_getset[] = {
    {"hour", time_hour, NULL, NULL, NULL},
    {"minute", time_minute, NULL, NULL, NULL},
    {"second", time_second, NULL, NULL, NULL},
    {"microsecond", time_microsecond, NULL, NULL, NULL},
    {"tzinfo", time_tzinfo, NULL, NULL, NULL},
    {"fold", time_fold, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef time_methods[] = {
    {"strptime", time_strptime, METH_VARARGS | METH_CLASS,
     "string, format -> new time parsed from a string (like time.strptime())."},
    {"isoformat", (PyCFunction)(void *)time_isoformat, METH_FASTCALL | METH_KEYWORDS,
     "Return string in ISO 8601 format, [HH[:MM[:SS[.mmm[uuu]]]]][+HH:MM].\n\n"
     "The optional argument timespec, by default 'auto', says how much of the time\n"
     "is written: 'hours', 'minutes', 'seconds', 'milliseconds' or 'microseconds'.\n"},
    {"strftime", (PyCFunction)(void *)time_strftime, METH_FASTCALL | METH_KEYWORDS,
     "format -> strftime() style string."},
    {"__format__", nj_date_format, METH_VARARGS, "Formats self with strftime."},
    {"utcoffset", time_utcoffset, METH_NOARGS, "Return self.tzinfo.utcoffset(self)."},
    {"tzname", time_tzname, METH_NOARGS, "Return self.tzinfo.tzname(self)."},
    {"dst", time_dst, METH_NOARGS, "Return self.tzinfo.dst(self)."},
    {"replace", _PyCFunction_CAST(time_replace), METH_FASTCALL | METH_KEYWORDS,
     "replace($self, /, hour=unchanged, minute=unchanged, second=unchanged,\n"
     "        microsecond=unchanged, tzinfo=unchanged, *, fold=unchanged)\n--\n\n"
     "Return time with new specified fields."},
    {"__replace__", _PyCFunction_CAST(time_replace), METH_FASTCALL | METH_KEYWORDS,
     "__replace__($self, /, **changes)\n--\n\nThe same as replace()."},
    {"fromisoformat", time_fromisoformat, METH_O | METH_CLASS,
     "string -> time from a string in ISO 8601 format"},
    {"__reduce_ex__", (PyCFunction)(void *)time_reduce_ex,
     METH_FASTCALL, "__reduce_ex__(proto) -> (cls, state)"},
    {"__reduce__", time_reduce, METH_NOARGS, "__reduce__() -> (cls, state)"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject NjTime_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "datetime.time",
    .tp_basicsize = sizeof(Time),
    .tp_dealloc = time_dealloc,
    .tp_repr = time_repr,
    .tp_hash = time_hash,
    .tp_str = time_str,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "time([hour[, minute[, second[, microsecond[, tzinfo]]]]]) --> a time object\n\n"
              "All arguments are optional. tzinfo may be None, or an instance of\n"
              "a tzinfo subclass. The remaining arguments may be ints.\n",
    .tp_richcompare = time_richcompare,
    .tp_methods = time_methods,
    .tp_getset = time_getset,
    .tp_alloc = time_alloc,
    .tp_new = time_new,
    .tp_vectorcall = time_vectorcall,
};

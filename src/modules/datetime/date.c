/* date.c - datetime.date, and the result of its isocalendar().
 * SPDX-License-Identifier: MIT
 */
#include "datetime_int.h"

#include <time.h>

#include "capi/args.h"

#define STATIC_DATE(y, m, d)                                                           \
    {                                                                                  \
        PyObject_HEAD_INIT(&NjDate_Type) .hashcode = -1, .data = {(y) >> 8, (y)&255, m, d} \
    }

Date nj_date_min = STATIC_DATE(MINYEAR, 1, 1);
Date nj_date_max = STATIC_DATE(MAXYEAR, 12, 31);

/* ---- construction -------------------------------------------------------------------- */

PyObject *
nj_new_date(const Fields *f, PyTypeObject *type)
{
    if (nj_check_date(f) < 0) {
        return NULL;
    }
    Date *d = type == &NjDate_Type ? PyObject_New(Date, type) : DATE(type->tp_alloc(type, 0));
    if (d) {
        d->hashcode = -1;
        d->hastzinfo = 0;
        d->data[0] = (unsigned char)(f->year >> 8);
        d->data[1] = (unsigned char)f->year;
        d->data[2] = (unsigned char)f->month;
        d->data[3] = (unsigned char)f->day;
    }
    return (PyObject *)d;
}

PyObject *
nj_make_date(const Fields *f, PyObject *cls)
{
    if (cls == (PyObject *)&NjDate_Type) {
        return nj_new_date(f, &NjDate_Type);
    }
    if (cls == (PyObject *)&NjDateTime_Type) {
        return nj_new_datetime(f, Py_None, &NjDateTime_Type);
    }
    return PyObject_CallFunction(cls, "iii", f->year, f->month, f->day);
}

int
nj_pickle_state(PyObject *arg, Py_ssize_t size, int month_at, const char *what,
                PyObject **state)
{
    *state = NULL;
    if (PyBytes_Check(arg)) {
        if (PyBytes_GET_SIZE(arg) == size) {
            *state = Py_NewRef(arg);
        }
    }
    else if (PyUnicode_Check(arg) && PyUnicode_GET_LENGTH(arg) == size) {
        /* a pickle of Python 2, whose str was decoded as latin-1 */
        Py_UCS4 month = month_at < 0 ? 1 : PyUnicode_READ_CHAR(arg, month_at);
        if (month >= 1 && (month & 0x7f) <= 12 && month < 256) {
            *state = PyUnicode_AsLatin1String(arg);
            if (*state == NULL) {
                if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
                    PyErr_Format(PyExc_ValueError,
                                 "Failed to encode latin1 string when unpickling a %s "
                                 "object. pickle.load(data, encoding='latin1') is assumed.",
                                 what);
                }
                return -1;
            }
        }
    }
    if (*state == NULL) {
        return 0;
    }
    int first = (unsigned char)PyBytes_AS_STRING(*state)[month_at < 0 ? 0 : month_at] & 0x7f;
    bool sane = month_at < 0 ? first < 24 : first >= 1 && first <= 12;
    if (!sane) {
        Py_CLEAR(*state);
    }
    return *state != NULL;
}

static PyObject *
date_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"year", "month", "day", NULL};
    if (PyTuple_GET_SIZE(args) == 1) {
        NJ_OWN state = NULL;
        int r = nj_pickle_state(PyTuple_GET_ITEM(args, 0), _PyDateTime_DATE_DATASIZE, 2,
                                "date", &state);
        if (r < 0) {
            return NULL;
        }
        if (r > 0) {
            Date *d = DATE(type->tp_alloc(type, 0));
            if (d) {
                d->hashcode = -1;
                memcpy(d->data, PyBytes_AS_STRING(state), _PyDateTime_DATE_DATASIZE);
            }
            return (PyObject *)d;
        }
    }
    Fields f = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iii", keywords, &f.year, &f.month,
                                     &f.day)) {
        return NULL;
    }
    return nj_new_date(&f, type);
}

static PyObject *
date_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    Fields f = {0};
    if (n == 3 && kwnames == NULL && small_int(args[0], &f.year) &&
        small_int(args[1], &f.month) && small_int(args[2], &f.day)) {
        return nj_new_date(&f, (PyTypeObject *)type);
    }
    return nj_new_by_tuple((PyTypeObject *)type, args, n, kwnames);
}

/* ---- class methods ------------------------------------------------------------------- */

PyObject *
nj_date_fromtimestamp(PyObject *cls, PyObject *timestamp)
{
    int64_t t;
    Fields f;
    if (nj_timestamp_seconds(timestamp, &t) < 0 || nj_break_down(t, false, &f) < 0) {
        return NULL;
    }
    return nj_make_date(&f, cls);
}

static PyObject *
date_fromtimestamp(PyObject *cls, PyObject *timestamp)
{
    return nj_date_fromtimestamp(cls, timestamp);
}

static PyObject *
date_today(PyObject *cls, PyObject *unused)
{
    if (cls == (PyObject *)&NjDate_Type) {
        Fields f;
        return nj_break_down(time(NULL), false, &f) < 0 ? NULL : nj_new_date(&f, &NjDate_Type);
    }
    NJ_OWN func = PyImport_ImportModuleAttrString("time", "time");
    NJ_OWN now = func ? PyObject_CallNoArgs(func) : NULL;
    return now ? PyObject_CallMethodOneArg(cls, NJ_ID(fromtimestamp), now) : NULL;
}

static PyObject *
date_fromordinal(PyObject *cls, PyObject *const *args, Py_ssize_t nargs)
{
    int ordinal;
    if (!_PyArg_ParseStack(args, nargs, "i:fromordinal", &ordinal)) {
        return NULL;
    }
    if (ordinal < 1) {
        PyErr_SetString(PyExc_ValueError, "ordinal must be >= 1");
        return NULL;
    }
    Fields f = {0};
    nj_ordinal_to_ymd(ordinal, &f);
    return nj_make_date(&f, cls);
}

static NJ_COLD PyObject *
raise_iso_string(PyObject *text)
{
    PyErr_Format(PyExc_ValueError, "Invalid isoformat string: %R", text);
    return NULL;
}

static PyObject *
date_fromisoformat(PyObject *cls, PyObject *text)
{
    if (!PyUnicode_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "fromisoformat: argument must be str");
        return NULL;
    }
    char buf[ISO_MAX];
    int n = 0;
    Fields f = {0};
    if (PyUnicode_GET_LENGTH(text) > 10 || nj_iso_bytes(text, buf, &n) == NULL ||
        nj_parse_iso_date(buf, n, &f) < 0) {
        return raise_iso_string(text);
    }
    return nj_make_date(&f, cls);
}

static PyObject *
date_fromisocalendar(PyObject *cls, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames)
{
    static char *keywords[] = {"year", "week", "day", NULL};
    int year, week, day;
    if (!nj_args_parse(args, nargs, kwnames, "iii:fromisocalendar", keywords, &year,
                                     &week, &day)) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_ValueError, "ISO calendar component out of range");
        }
        return NULL;
    }
    Fields f = {0};
    switch (nj_iso_to_ymd(year, week, day, &f)) {
    case -1:
        PyErr_Format(PyExc_ValueError, "year must be in %d..%d, not %d", MINYEAR, MAXYEAR,
                     year);
        return NULL;
    case -2: PyErr_Format(PyExc_ValueError, "Invalid week: %d", week); return NULL;
    case -3:
        PyErr_Format(PyExc_ValueError, "Invalid weekday: %d (range is [1, 7])", day);
        return NULL;
    }
    return nj_make_date(&f, cls);
}

static PyObject *
date_strptime(PyObject *cls, PyObject *args)
{
    return nj_strptime("_strptime_datetime_date", cls, args);
}

/* ---- arithmetic ---------------------------------------------------------------------- */

static PyObject *
add_days(PyObject *date, int64_t days)
{
    Fields f = date_fields(date);
    int64_t ordinal = nj_ymd_to_ordinal(f.year, f.month, f.day) + days;
    if (nj_normalize(&f, ordinal, 0, 0) < 0) {
        return NULL;
    }
    return nj_make_date(&f, (PyObject *)Py_TYPE(date));
}

static PyObject *
date_add(PyObject *a, PyObject *b)
{
    if (IS_DATETIME(a) || IS_DATETIME(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (IS_DATE(a)) {
        if (IS_DELTA(b)) {
            return add_days(a, DELTA(b)->days);
        }
    }
    else if (IS_DELTA(a)) {
        return add_days(b, DELTA(a)->days);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

static int
date_ordinal(PyObject *op)
{
    return nj_ymd_to_ordinal(YEAR(op), MONTH(op), DAY(op));
}

static PyObject *
date_sub(PyObject *a, PyObject *b)
{
    if (IS_DATETIME(a) || IS_DATETIME(b) || !IS_DATE(a)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (IS_DATE(b)) {
        return nj_new_delta(date_ordinal(a) - date_ordinal(b), 0, 0, false, &NjDelta_Type);
    }
    if (IS_DELTA(b)) {
        return add_days(a, -(int64_t)DELTA(b)->days);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

/* ---- text ---------------------------------------------------------------------------- */

static PyObject *
date_repr(PyObject *op)
{
    return PyUnicode_FromFormat("%s(%d, %d, %d)", Py_TYPE(op)->tp_name, YEAR(op), MONTH(op),
                                DAY(op));
}

static PyObject *
date_isoformat(PyObject *op, PyObject *unused)
{
    char buf[16];
    Fields f = date_fields(op);
    return PyUnicode_FromStringAndSize(buf, nj_put_date(buf, &f) - buf);
}

static PyObject *
date_str(PyObject *op)
{
    return PyObject_CallMethodNoArgs(op, NJ_ID(isoformat));
}

static PyObject *
date_ctime(PyObject *op, PyObject *unused)
{
    Fields f = date_fields(op);
    return nj_ctime(&f);
}

static PyObject *
date_strftime(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static char *keywords[] = {"format", NULL};
    PyObject *format;
    if (!nj_args_parse(args, nargs, kwnames, "U:strftime", keywords, &format)) {
        return NULL;
    }
    NJ_OWN tuple = PyObject_CallMethodNoArgs(op, NJ_ID(timetuple));
    if (tuple == NULL) {
        return NULL;
    }
    if (IS_DATETIME(op)) {
        return nj_strftime(op, format, tuple, PyDateTime_DATE_GET_MICROSECOND(op),
                           TZINFO(op), op);
    }
    return nj_strftime(op, format, tuple, 0, Py_None, Py_None);
}

/* Shared by time. */
PyObject *
nj_date_format(PyObject *op, PyObject *args)
{
    PyObject *format;
    if (!PyArg_ParseTuple(args, "U:__format__", &format)) {
        return NULL;
    }
    return PyUnicode_GET_LENGTH(format) == 0
               ? PyObject_Str(op)
               : PyObject_CallMethodOneArg(op, NJ_ID(strftime), format);
}

/* ---- ISO calendar -------------------------------------------------------------------- */

static PyObject *
date_isoweekday(PyObject *op, PyObject *unused)
{
    return PyLong_FromLong(nj_weekday(YEAR(op), MONTH(op), DAY(op)) + 1);
}

static PyObject *
date_weekday(PyObject *op, PyObject *unused)
{
    return PyLong_FromLong(nj_weekday(YEAR(op), MONTH(op), DAY(op)));
}

static PyObject *
new_iso_calendar(PyTypeObject *type, PyObject *year, PyObject *week, PyObject *weekday)
{
    PyObject *t = type->tp_alloc(type, 3);
    if (t) {
        PyTuple_SET_ITEM(t, 0, Py_NewRef(year));
        PyTuple_SET_ITEM(t, 1, Py_NewRef(week));
        PyTuple_SET_ITEM(t, 2, Py_NewRef(weekday));
    }
    return t;
}

static PyObject *
date_isocalendar(PyObject *op, PyObject *unused)
{
    int year = YEAR(op), today = date_ordinal(op), monday = nj_iso_week1_monday(year);
    if (today < monday) {
        monday = nj_iso_week1_monday(--year);
    }
    else if (today >= nj_iso_week1_monday(year + 1)) {
        monday = nj_iso_week1_monday(++year);
    }
    NJ_OWN y = PyLong_FromLong(year);
    NJ_OWN w = PyLong_FromLong((today - monday) / 7 + 1);
    NJ_OWN d = PyLong_FromLong((today - monday) % 7 + 1);
    return y && w && d ? new_iso_calendar(&NjIsoCalendar_Type, y, w, d) : NULL;
}

static PyObject *
iso_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"year", "week", "weekday", NULL};
    PyObject *year, *week, *weekday;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO:IsoCalendarDate", keywords, &year,
                                     &week, &weekday)) {
        return NULL;
    }
    return new_iso_calendar(type, year, week, weekday);
}

static PyObject *
iso_repr(PyObject *op)
{
    return PyUnicode_FromFormat("%.200s(year=%S, week=%S, weekday=%S)", Py_TYPE(op)->tp_name,
                                PyTuple_GET_ITEM(op, 0), PyTuple_GET_ITEM(op, 1),
                                PyTuple_GET_ITEM(op, 2));
}

static PyObject *
iso_reduce(PyObject *op, PyObject *unused)
{
    NJ_OWN t = PyTuple_Pack(3, PyTuple_GET_ITEM(op, 0), PyTuple_GET_ITEM(op, 1),
                            PyTuple_GET_ITEM(op, 2));
    return t ? Py_BuildValue("O(O)", &PyTuple_Type, t) : NULL;
}

static PyObject *
iso_item(PyObject *op, void *index)
{
    return Py_NewRef(PyTuple_GET_ITEM(op, (Py_ssize_t)(intptr_t)index));
}

static PyGetSetDef iso_getset[] = {
    {"year", iso_item, NULL, NULL, (void *)0},
    {"week", iso_item, NULL, NULL, (void *)1},
    {"weekday", iso_item, NULL, NULL, (void *)2},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef iso_methods[] = {
    {"__reduce__", iso_reduce, METH_NOARGS, "A tuple is pickled in its place."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject NjIsoCalendar_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "datetime.IsoCalendarDate",
    .tp_basicsize = sizeof(PyTupleObject) - sizeof(PyObject *),
    .tp_itemsize = sizeof(PyObject *),
    .tp_repr = iso_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The result of date.isocalendar() or datetime.isocalendar(): a tuple with "
              "names for the year, the week and the weekday.",
    .tp_methods = iso_methods,
    .tp_getset = iso_getset,
    .tp_base = &PyTuple_Type,
    .tp_new = iso_new,
};

/* ---- the rest ------------------------------------------------------------------------ */

static PyObject *
date_timetuple(PyObject *op, PyObject *unused)
{
    Fields f = date_fields(op);
    return nj_struct_time(&f, -1);
}

static PyObject *
date_toordinal(PyObject *op, PyObject *unused)
{
    return PyLong_FromLong(date_ordinal(op));
}

static PyObject *
date_replace(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"year", "month", "day", NULL};
    static const NjParams params = {"replace", names, 3, 0, 0};
    PyObject *a[3];
    Fields f = date_fields(op);
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0 ||
        nj_int_arg(a[0], &f.year) < 0 || nj_int_arg(a[1], &f.month) < 0 ||
        nj_int_arg(a[2], &f.day) < 0) {
        return NULL;
    }
    return nj_make_date(&f, (PyObject *)Py_TYPE(op));
}

static PyObject *
date_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!IS_DATE(b) || IS_DATETIME(a) || IS_DATETIME(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return nj_compare_result(memcmp(DATE(a)->data, DATE(b)->data, _PyDateTime_DATE_DATASIZE),
                             op);
}

static Py_hash_t
date_hash(PyObject *op)
{
    if (DATE(op)->hashcode == -1) {
        DATE(op)->hashcode = Py_HashBuffer(DATE(op)->data, _PyDateTime_DATE_DATASIZE);
    }
    return DATE(op)->hashcode;
}

static PyObject *
date_reduce(PyObject *op, PyObject *unused)
{
    return Py_BuildValue("O(y#)", Py_TYPE(op), DATE(op)->data,
                         (Py_ssize_t)_PyDateTime_DATE_DATASIZE);
}

static PyObject *
date_year(PyObject *op, void *closure)
{
    return PyLong_FromLong(YEAR(op));
}

static PyObject *
date_month(PyObject *op, void *closure)
{
    return PyLong_FromLong(MONTH(op));
}

static PyObject *
date_day(PyObject *op, void *closure)
{
    return PyLong_FromLong(DAY(op));
}

static PyGetSetDef date_getset[] = {
    {"year", date_year, NULL, NULL, NULL},
    {"month", date_month, NULL, NULL, NULL},
    {"day", date_day, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define CLASS METH_CLASS

static PyMethodDef date_methods[] = {
    {"fromtimestamp", date_fromtimestamp, METH_O | CLASS,
     "fromtimestamp($type, timestamp, /)\n--\n\n"
     "Create a date from a POSIX timestamp.\n\n"
     "The timestamp is a number, as time.time() returns it, read as local time."},
    {"fromordinal", (PyCFunction)(void *)date_fromordinal, METH_FASTCALL | CLASS,
     "int -> date corresponding to a proleptic Gregorian ordinal."},
    {"fromisoformat", date_fromisoformat, METH_O | CLASS,
     "str -> Construct a date from a string in ISO 8601 format."},
    {"fromisocalendar", (PyCFunction)(void *)date_fromisocalendar,
     METH_FASTCALL | METH_KEYWORDS | CLASS,
     "int, int, int -> Construct a date from the ISO year, week number and weekday.\n\n"
     "The inverse of date.isocalendar()."},
    {"strptime", date_strptime, METH_VARARGS | CLASS,
     "string, format -> new date parsed from a string (like time.strptime())."},
    {"today", date_today, METH_NOARGS | CLASS,
     "Current date or datetime: the same as "
     "self.__class__.fromtimestamp(time.time())."},
    {"ctime", date_ctime, METH_NOARGS, "Return ctime() style string."},
    {"strftime", (PyCFunction)(void *)date_strftime, METH_FASTCALL | METH_KEYWORDS,
     "format -> strftime() style string."},
    {"__format__", nj_date_format, METH_VARARGS, "Formats self with strftime."},
    {"timetuple", date_timetuple, METH_NOARGS,
     "Return time tuple, compatible with time.localtime()."},
    {"isocalendar", date_isocalendar, METH_NOARGS,
     "Return a named tuple containing ISO year, week number, and weekday."},
    {"isoformat", date_isoformat, METH_NOARGS,
     "Return string in ISO 8601 format, YYYY-MM-DD."},
    {"isoweekday", date_isoweekday, METH_NOARGS,
     "Return the day of the week represented by the date.\nMonday == 1 ... Sunday == 7"},
    {"toordinal", date_toordinal, METH_NOARGS,
     "Return proleptic Gregorian ordinal.  January 1 of year 1 is day 1."},
    {"weekday", date_weekday, METH_NOARGS,
     "Return the day of the week represented by the date.\nMonday == 0 ... Sunday == 6"},
    {"replace", _PyCFunction_CAST(date_replace), METH_FASTCALL | METH_KEYWORDS,
     "replace($self, /, year=unchanged, month=unchanged, day=unchanged)\n--\n\n"
     "Return date with new specified fields."},
    {"__replace__", _PyCFunction_CAST(date_replace), METH_FASTCALL | METH_KEYWORDS,
     "__replace__($self, /, **changes)\n--\n\nThe same as replace()."},
    {"__reduce__", date_reduce, METH_NOARGS, "__reduce__() -> (cls, state)"},
    {NULL, NULL, 0, NULL},
};

static PyNumberMethods date_number = {
    .nb_add = date_add,
    .nb_subtract = date_sub,
};

PyTypeObject NjDate_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "datetime.date",
    .tp_basicsize = sizeof(Date),
    .tp_repr = date_repr,
    .tp_as_number = &date_number,
    .tp_hash = date_hash,
    .tp_str = date_str,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "date(year, month, day) --> date object",
    .tp_richcompare = date_richcompare,
    .tp_methods = date_methods,
    .tp_getset = date_getset,
    .tp_new = date_new,
    .tp_vectorcall = date_vectorcall,
};

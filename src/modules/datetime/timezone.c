/* timezone.c - datetime.tzinfo and datetime.timezone.
 * SPDX-License-Identifier: MIT
 */
#include "datetime_int.h"

#include "capi/args.h"

TimeZone nj_utc = {PyObject_HEAD_INIT(&NjTimeZone_Type).offset =
                       (PyObject *)&nj_delta_zero};

/* ---- asking a tzinfo ----------------------------------------------------------------- */

static NJ_COLD int
raise_offset(PyObject *offset)
{
    PyErr_Format(PyExc_ValueError,
                 "offset must be a timedelta strictly between -timedelta(hours=24) and "
                 "timedelta(hours=24), not %R",
                 offset);
    return -1;
}

/* Strictly less than a day either way. */
static bool
offset_in_range(PyObject *delta)
{
    const Delta *d = DELTA(delta);
    return d->days == 0 || (d->days == -1 && (d->seconds > 0 || d->microseconds > 0));
}

static PyObject *
call_offset_method(PyObject *tz, PyObject *name, PyObject *arg)
{
    if (tz == Py_None) {
        Py_RETURN_NONE;
    }
    NJ_OWN r = PyObject_CallMethodOneArg(tz, name, arg);
    if (r == NULL || r == Py_None) {
        return NJ_TAKE(r);
    }
    if (!IS_DELTA(r)) {
        PyErr_Format(PyExc_TypeError, "tzinfo.%U() must return None or timedelta, not '%T'",
                     name, r);
        return NULL;
    }
    if (!offset_in_range(r)) {
        (void)raise_offset(r);
        return NULL;
    }
    return NJ_TAKE(r);
}

PyObject *
nj_call_utcoffset(PyObject *tz, PyObject *arg)
{
    if (Py_IS_TYPE(tz, &NjTimeZone_Type)) {
        return Py_NewRef(TIMEZONE(tz)->offset);
    }
    return call_offset_method(tz, NJ_ID(utcoffset), arg);
}

PyObject *
nj_call_dst(PyObject *tz, PyObject *arg)
{
    return call_offset_method(tz, NJ_ID(dst), arg);
}

PyObject *
nj_call_tzname(PyObject *tz, PyObject *arg)
{
    if (tz == Py_None) {
        Py_RETURN_NONE;
    }
    NJ_OWN r = PyObject_CallMethodOneArg(tz, NJ_ID(tzname), arg);
    if (r == NULL || r == Py_None || PyUnicode_Check(r)) {
        return NJ_TAKE(r);
    }
    PyErr_Format(PyExc_TypeError, "tzinfo.tzname() must return None or a string, not '%T'",
                 r);
    return NULL;
}

/* ---- tzinfo -------------------------------------------------------------------------- */

static PyObject *
raise_abstract(const char *method)
{
    PyErr_Format(PyExc_NotImplementedError, "a tzinfo subclass must implement %s()", method);
    return NULL;
}

static PyObject *
tzinfo_tzname(PyObject *self, PyObject *dt)
{
    return raise_abstract("tzname");
}

static PyObject *
tzinfo_utcoffset(PyObject *self, PyObject *dt)
{
    return raise_abstract("utcoffset");
}

static PyObject *
tzinfo_dst(PyObject *self, PyObject *dt)
{
    return raise_abstract("dst");
}

static PyObject *
add_delta(PyObject *dt, PyObject *delta)
{
    return PyNumber_Add(dt, delta);
}

static PyObject *
tzinfo_fromutc(PyObject *self, PyObject *dt)
{
    if (!IS_DATETIME(dt)) {
        PyErr_SetString(PyExc_TypeError, "fromutc: argument must be a datetime");
        return NULL;
    }
    if (TZINFO(dt) != self) {
        PyErr_SetString(PyExc_ValueError, "fromutc: dt.tzinfo is not self");
        return NULL;
    }
    NJ_OWN offset = nj_call_utcoffset(self, dt);
    if (offset == NULL) {
        return NULL;
    }
    if (offset == Py_None) {
        PyErr_SetString(PyExc_ValueError,
                        "fromutc: non-None utcoffset() result required");
        return NULL;
    }
    NJ_OWN dst = nj_call_dst(self, dt);
    if (dst == NULL) {
        return NULL;
    }
    if (dst == Py_None) {
        PyErr_SetString(PyExc_ValueError, "fromutc: non-None dst() result required");
        return NULL;
    }
    NJ_OWN delta = PyNumber_Subtract(offset, dst);
    NJ_OWN r = delta ? add_delta(dt, delta) : NULL;
    if (r == NULL) {
        return NULL;
    }
    NJ_SET(dst, nj_call_dst(self, r));
    if (dst == NULL) {
        return NULL;
    }
    if (dst == Py_None) {
        PyErr_SetString(PyExc_ValueError,
                        "fromutc: tz.dst() gave inconsistent results; cannot convert");
        return NULL;
    }
    return PyObject_IsTrue(dst) > 0 ? add_delta(r, dst) : NJ_TAKE(r);
}

static PyObject *
tzinfo_reduce(PyObject *self, PyObject *unused)
{
    NJ_OWN get_args = NULL;
    NJ_OWN args = NULL;
    if (PyObject_GetOptionalAttr(self, NJ_ID(__getinitargs__), &get_args) < 0) {
        return NULL;
    }
    args = get_args ? PyObject_CallNoArgs(get_args) : PyTuple_New(0);
    NJ_OWN state = args ? PyObject_CallMethodNoArgs(self, NJ_ID(__getstate__)) : NULL;
    if (state == NULL) {
        return NULL;
    }
    return Py_BuildValue("OOO", Py_TYPE(self), args, state);
}

static PyMethodDef tzinfo_methods[] = {
    {"tzname", tzinfo_tzname, METH_O, "datetime -> string name of time zone."},
    {"utcoffset", tzinfo_utcoffset, METH_O,
     "datetime -> timedelta showing offset from UTC, negative values indicating West of "
     "UTC"},
    {"dst", tzinfo_dst, METH_O, "datetime -> DST offset as timedelta positive east of UTC."},
    {"fromutc", tzinfo_fromutc, METH_O, "datetime in UTC -> datetime in local time."},
    {"__reduce__", tzinfo_reduce, METH_NOARGS, "-> (cls, state)"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject NjTZInfo_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "datetime.tzinfo",
    .tp_basicsize = sizeof(PyDateTime_TZInfo),
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "Abstract base class for time zone info objects.",
    .tp_methods = tzinfo_methods,
    .tp_new = PyType_GenericNew,
};

/* ---- timezone ------------------------------------------------------------------------ */

static PyObject *
create_timezone(PyObject *offset, PyObject *name)
{
    TimeZone *tz = PyObject_New(TimeZone, &NjTimeZone_Type);
    if (tz) {
        tz->offset = Py_NewRef(offset);
        tz->name = Py_XNewRef(name);
    }
    return (PyObject *)tz;
}

PyObject *
nj_new_timezone(PyObject *offset, PyObject *name)
{
    if (name == NULL && DELTA(offset)->days == 0 && DELTA(offset)->seconds == 0 &&
        DELTA(offset)->microseconds == 0) {
        return Py_NewRef(&nj_utc);
    }
    if (!offset_in_range(offset)) {
        (void)raise_offset(offset);
        return NULL;
    }
    return create_timezone(offset, name);
}

static PyObject *
timezone_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "name", NULL};
    PyObject *offset, *name = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|U:timezone", keywords, &NjDelta_Type,
                                     &offset, &name)) {
        return NULL;
    }
    return nj_new_timezone(offset, name);
}

static void
timezone_dealloc(PyObject *op)
{
    Py_CLEAR(TIMEZONE(op)->offset);
    Py_CLEAR(TIMEZONE(op)->name);
    Py_TYPE(op)->tp_free(op);
}

static PyObject *
timezone_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !PyObject_TypeCheck(b, &NjTimeZone_Type)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return PyObject_RichCompare(TIMEZONE(a)->offset, TIMEZONE(b)->offset, op);
}

static Py_hash_t
timezone_hash(PyObject *op)
{
    return PyObject_Hash(TIMEZONE(op)->offset);
}

static PyObject *
timezone_repr(PyObject *op)
{
    const TimeZone *tz = TIMEZONE(op);
    if (tz == &nj_utc) {
        return PyUnicode_FromString("datetime.timezone.utc");
    }
    const char *type = Py_TYPE(op)->tp_name;
    return tz->name ? PyUnicode_FromFormat("%s(%R, %R)", type, tz->offset, tz->name)
                    : PyUnicode_FromFormat("%s(%R)", type, tz->offset);
}

static PyObject *
timezone_str(PyObject *op)
{
    const TimeZone *tz = TIMEZONE(op);
    if (tz->name) {
        return Py_NewRef(tz->name);
    }
    if (tz == &nj_utc || !PyObject_IsTrue(tz->offset)) {
        return PyUnicode_FromString("UTC");
    }
    char buf[32];
    return nj_put_offset(buf, ":", op, Py_None) < 0 ? NULL
                                                    : PyUnicode_FromFormat("UTC%s", buf);
}

static int
check_argument(PyObject *dt, const char *method)
{
    if (dt == Py_None || IS_DATETIME(dt)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "%s(dt) argument must be a datetime instance or None, not %.200s", method,
                 Py_TYPE(dt)->tp_name);
    return -1;
}

static PyObject *
timezone_tzname(PyObject *self, PyObject *dt)
{
    return check_argument(dt, "tzname") < 0 ? NULL : timezone_str(self);
}

static PyObject *
timezone_utcoffset(PyObject *self, PyObject *dt)
{
    return check_argument(dt, "utcoffset") < 0 ? NULL : Py_NewRef(TIMEZONE(self)->offset);
}

static PyObject *
timezone_dst(PyObject *self, PyObject *dt)
{
    return check_argument(dt, "dst") < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *
nj_timezone_fromutc(PyObject *self, PyObject *dt)
{
    if (!IS_DATETIME(dt)) {
        PyErr_SetString(PyExc_TypeError, "fromutc: argument must be a datetime");
        return NULL;
    }
    if (TZINFO(dt) != self) {
        PyErr_SetString(PyExc_ValueError, "fromutc: dt.tzinfo is not self");
        return NULL;
    }
    return add_delta(dt, TIMEZONE(self)->offset);
}

static PyObject *
timezone_getinitargs(PyObject *self, PyObject *unused)
{
    const TimeZone *tz = TIMEZONE(self);
    return tz->name ? PyTuple_Pack(2, tz->offset, tz->name) : PyTuple_Pack(1, tz->offset);
}

static PyMethodDef timezone_methods[] = {
    {"tzname", timezone_tzname, METH_O,
     "The name given when the timezone was created, or else 'UTC+HH:MM'."},
    {"utcoffset", timezone_utcoffset, METH_O, "Return fixed offset."},
    {"dst", timezone_dst, METH_O, "Return None."},
    {"fromutc", nj_timezone_fromutc, METH_O, "datetime in UTC -> datetime in local time."},
    {"__getinitargs__", timezone_getinitargs, METH_NOARGS, "pickle support"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject NjTimeZone_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "datetime.timezone",
    .tp_basicsize = sizeof(TimeZone),
    .tp_dealloc = timezone_dealloc,
    .tp_repr = timezone_repr,
    .tp_hash = timezone_hash,
    .tp_str = timezone_str,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "Fixed offset from UTC implementation of tzinfo.",
    .tp_richcompare = timezone_richcompare,
    .tp_methods = timezone_methods,
    .tp_base = &NjTZInfo_Type,
    .tp_new = timezone_new,
};

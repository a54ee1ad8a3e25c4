/* module.c - the module _datetime and its C API.
 * SPDX-License-Identifier: MIT
 */
#include "datetime_int.h"

PyObject *
nj_new_by_tuple(PyTypeObject *type, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    NJ_OWN tuple = PyTuple_New(n);
    NJ_OWN kwargs = nkw ? PyDict_New() : NULL;
    if (tuple == NULL || (nkw && kwargs == NULL)) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    }
    for (Py_ssize_t i = 0; i < nkw; i++) {
        if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(kwnames, i), args[n + i]) < 0) {
            return NULL;
        }
    }
    return type->tp_new(type, tuple, kwargs);
}

int
nj_int_arg(PyObject *o, int *out)
{
    if (o == NULL) {
        return 0;
    }
    if (small_int(o, out)) {
        return 0;
    }
    *out = PyLong_AsInt(o);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

/* ---- C API --------------------------------------------------------------------------- */

static PyObject *
api_date(int year, int month, int day, PyTypeObject *type)
{
    Fields f = {.year = year, .month = month, .day = day};
    return nj_new_date(&f, type);
}

static PyObject *
api_datetime_fold(int year, int month, int day, int hour, int minute, int second, int us,
                  PyObject *tz, int fold, PyTypeObject *type)
{
    Fields f = {year, month, day, hour, minute, second, us, fold};
    return nj_new_datetime(&f, tz, type);
}

static PyObject *
api_datetime(int year, int month, int day, int hour, int minute, int second, int us,
             PyObject *tz, PyTypeObject *type)
{
    return api_datetime_fold(year, month, day, hour, minute, second, us, tz, 0, type);
}

static PyObject *
api_time_fold(int hour, int minute, int second, int us, PyObject *tz, int fold,
              PyTypeObject *type)
{
    Fields f = {.hour = hour, .minute = minute, .second = second, .us = us, .fold = fold};
    return nj_new_time(&f, tz, type);
}

static PyObject *
api_time(int hour, int minute, int second, int us, PyObject *tz, PyTypeObject *type)
{
    return api_time_fold(hour, minute, second, us, tz, 0, type);
}

static PyObject *
api_delta(int days, int seconds, int us, int normalize, PyTypeObject *type)
{
    return nj_new_delta(days, seconds, us, normalize != 0, type);
}

static PyObject *
api_timezone(PyObject *offset, PyObject *name)
{
    return nj_new_timezone(offset, name);
}

static PyObject *
api_date_fromtimestamp(PyObject *cls, PyObject *args)
{
    PyObject *timestamp;
    return PyArg_UnpackTuple(args, "fromtimestamp", 1, 1, &timestamp)
               ? nj_date_fromtimestamp(cls, timestamp)
               : NULL;
}

static const PyDateTime_CAPI capi = {
    .DateType = &NjDate_Type,
    .DateTimeType = &NjDateTime_Type,
    .TimeType = &NjTime_Type,
    .DeltaType = &NjDelta_Type,
    .TZInfoType = &NjTZInfo_Type,
    .TimeZone_UTC = (PyObject *)&nj_utc,
    .Date_FromDate = api_date,
    .DateTime_FromDateAndTime = api_datetime,
    .Time_FromTime = api_time,
    .Delta_FromDelta = api_delta,
    .TimeZone_FromTimeZone = api_timezone,
    .DateTime_FromTimestamp = nj_datetime_fromtimestamp_api,
    .Date_FromTimestamp = api_date_fromtimestamp,
    .DateTime_FromDateAndTimeAndFold = api_datetime_fold,
    .Time_FromTimeAndFold = api_time_fold,
};

static int
module_exec(PyObject *m)
{
    PyTypeObject *const types[] = {&NjDate_Type,     &NjDateTime_Type, &NjTime_Type,
                                   &NjDelta_Type,    &NjTZInfo_Type,   &NjTimeZone_Type};
    for (size_t i = 0; i < NJ_ARRAY_LEN(types); i++) {
        if (PyModule_AddType(m, types[i]) < 0) {
            return -1;
        }
    }
    NJ_OWN capsule = PyCapsule_New((void *)&capi, PyDateTime_CAPSULE_NAME, NULL);
    if (capsule == NULL || PyModule_AddObjectRef(m, "datetime_CAPI", capsule) < 0 ||
        PyModule_AddIntConstant(m, "MINYEAR", MINYEAR) < 0 ||
        PyModule_AddIntConstant(m, "MAXYEAR", MAXYEAR) < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(m, "UTC", (PyObject *)&nj_utc);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef datetime_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_datetime",
    .m_doc = "The types of the module datetime, written in C.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__datetime(void);

PyMODINIT_FUNC
PyInit__datetime(void)
{
    return PyModuleDef_Init(&datetime_module);
}

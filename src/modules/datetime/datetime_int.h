/* datetime_int.h - what the files of the module _datetime share.
 *
 * The types are static, as extension modules expect that derive static types from them.
 * They and their class attributes are immortal and shared by all interpreters; there is
 * no other state.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_MODULES_DATETIME_INT_H
#define NJ_MODULES_DATETIME_INT_H

#include "nj.h"

#define _PY_DATETIME_IMPL /* the header's declarations without its macros for users */
#include <datetime.h>

enum {
    MINYEAR = 1,
    MAXYEAR = 9999,
    MAXORDINAL = 3652059, /* of 9999-12-31 */
    MAX_DELTA_DAYS = 999999999,
    SECONDS_PER_DAY = 86400,
    US_PER_SECOND = 1000000,
};
#define US_PER_DAY INT64_C(86400000000)

typedef struct TimeZone {
    PyObject_HEAD
    PyObject *offset; /* timedelta */
    PyObject *name;   /* str or NULL */
} TimeZone;

typedef PyDateTime_Delta Delta;
typedef PyDateTime_Date Date;
typedef PyDateTime_Time Time;
typedef PyDateTime_DateTime DateTime;

extern PyTypeObject NjDelta_Type, NjDate_Type, NjTime_Type, NjDateTime_Type;
extern PyTypeObject NjTZInfo_Type, NjTimeZone_Type, NjIsoCalendar_Type;

extern TimeZone nj_utc;
/* timezone.fromutc: new datetime. */
NJ_MUST PyObject *nj_timezone_fromutc(PyObject *self, PyObject *dt);
extern Date nj_date_min, nj_date_max;
extern Delta nj_delta_zero, nj_delta_day, nj_delta_us;

#define DELTA(op) ((Delta *)(op))
#define DATE(op) ((Date *)(op))
#define TIME(op) ((Time *)(op))
#define DATETIME(op) ((DateTime *)(op))
#define TIMEZONE(op) ((TimeZone *)(op))

#define IS_DELTA(op) PyObject_TypeCheck(op, &NjDelta_Type)
#define IS_DATE(op) PyObject_TypeCheck(op, &NjDate_Type)
#define IS_TIME(op) PyObject_TypeCheck(op, &NjTime_Type)
#define IS_DATETIME(op) PyObject_TypeCheck(op, &NjDateTime_Type)
#define IS_TZINFO(op) PyObject_TypeCheck(op, &NjTZInfo_Type)

#define YEAR(op) PyDateTime_GET_YEAR(op)
#define MONTH(op) PyDateTime_GET_MONTH(op)
#define DAY(op) PyDateTime_GET_DAY(op)
#define TZINFO(op) /* of a time or datetime, borrowed */                               \
    (!_PyDateTime_HAS_TZINFO(op) ? Py_None                                             \
     : IS_TIME(op)               ? TIME(op)->tzinfo                                     \
                                 : DATETIME(op)->tzinfo)

/* Broken-down fields on their way into an object. */
typedef struct Fields {
    int year, month, day, hour, minute, second, us, fold;
} Fields;

static inline Fields
date_fields(PyObject *op)
{
    return (Fields){.year = YEAR(op), .month = MONTH(op), .day = DAY(op)};
}

static inline Fields
datetime_fields(PyObject *op)
{
    return (Fields){YEAR(op),
                    MONTH(op),
                    DAY(op),
                    PyDateTime_DATE_GET_HOUR(op),
                    PyDateTime_DATE_GET_MINUTE(op),
                    PyDateTime_DATE_GET_SECOND(op),
                    PyDateTime_DATE_GET_MICROSECOND(op),
                    PyDateTime_DATE_GET_FOLD(op)};
}

static inline Fields
time_fields(PyObject *op)
{
    return (Fields){.hour = PyDateTime_TIME_GET_HOUR(op),
                    .minute = PyDateTime_TIME_GET_MINUTE(op),
                    .second = PyDateTime_TIME_GET_SECOND(op),
                    .us = PyDateTime_TIME_GET_MICROSECOND(op),
                    .fold = PyDateTime_TIME_GET_FOLD(op)};
}

static inline int
seconds_of_day(const Fields *f)
{
    return f->hour * 3600 + f->minute * 60 + f->second;
}

/* ---- calendar.c ---------------------------------------------------------------------- */

int nj_days_in_month(int year, int month);
/* 0001-01-01 is day 1. */
int nj_ymd_to_ordinal(int year, int month, int day);
void nj_ordinal_to_ymd(int ordinal, Fields *f);
int nj_weekday(int year, int month, int day); /* Monday is 0 */
/* The ordinal of Monday of ISO week 1. */
int nj_iso_week1_monday(int year);
/* 0, or -1 with ValueError: "year must be in ..." etc. */
NJ_MUST int nj_check_date(const Fields *f);
NJ_MUST int nj_check_time(const Fields *f);
NJ_MUST int nj_check_tzinfo(PyObject *tz);
/* The date of a weekday: 0, -1 bad year, -2 bad week, -3 bad weekday (no exception). */
NJ_MUST int nj_iso_to_ymd(int year, int week, int day, Fields *f);
/* Brings seconds and microseconds of any size into a datetime's ranges, carrying into the
 * date: 0, or -1 with OverflowError "date value out of range". */
NJ_MUST int nj_normalize(Fields *f, int64_t days, int64_t seconds, int64_t us);
/* Adds less than a day of seconds, less than a second of us, and days to f, as nj_normalize. */
NJ_MUST int nj_shift(Fields *f, int64_t days, int seconds, int us);
/* Seconds since 0001-01-01 00:00:00. */
int64_t nj_fields_to_seconds(const Fields *f);
#define EPOCH_SECONDS INT64_C(62135596800) /* of 1970-01-01, counted so */
/* The local or UTC time of t (POSIX seconds): 0, or -1 with an exception. */
NJ_MUST int nj_break_down(int64_t t, bool utc, Fields *f);
/* The same as seconds since 0001-01-01, local time: -1 with an exception. */
NJ_MUST int nj_local_seconds(int64_t t, int64_t *out);
/* A timestamp argument: POSIX seconds, rounded down. */
NJ_MUST int nj_timestamp_seconds(PyObject *o, int64_t *out);
/* The same with microseconds, rounded half to even. */
NJ_MUST int nj_timestamp_us(PyObject *o, int64_t *seconds, int *us);

/* ---- text.c -------------------------------------------------------------------------- */

/* Writes "YYYY-MM-DD" / a time in the format of spec; returns the end. */
char *nj_put_date(char *s, const Fields *f);
/* 0..5: auto, hours, ..., microseconds; -1 with ValueError. */
NJ_MUST int nj_timespec(const char *name);
char *nj_put_time(char *s, const Fields *f, int spec);
/* The UTC offset of op as text ("+01:00"), "" for none; -1 with an exception. buf has
 * room for 32. */
NJ_MUST int nj_put_offset(char *buf, const char *sep, PyObject *tzinfo, PyObject *arg);
NJ_MUST PyObject *nj_strftime(PyObject *self, PyObject *format, PyObject *timetuple,
                              int us, PyObject *tzinfo, PyObject *tzarg);
NJ_MUST PyObject *nj_struct_time(const Fields *f, int dst);
NJ_MUST PyObject *nj_ctime(const Fields *f);
/* The characters of text as bytes, each that is not ASCII as 0xff: small, or memory that
 * the caller frees with PyMem_Free. */
enum { ISO_MAX = 64 };
NJ_MUST char *nj_iso_bytes(PyObject *text, char *small, int *len);
/* -1: not in the format (no exception). */
int nj_parse_iso_date(const char *s, int n, Fields *f);
/* -1: not in the format; -2: an exception is set. tz is a new reference. */
int nj_parse_iso_time(const char *s, int n, Fields *f, bool *next_day, PyObject **tz);
int nj_find_iso_separator(const char *s, int n);
NJ_MUST PyObject *nj_strptime(const char *function, PyObject *cls, PyObject *args);

/* ---- objects ------------------------------------------------------------------------- */

NJ_MUST PyObject *nj_new_delta(int days, int seconds, int us, bool normalize,
                               PyTypeObject *type);
NJ_MUST PyObject *nj_delta_from_us(__int128 us);
static inline __int128
delta_us(PyObject *op)
{
    return ((__int128)DELTA(op)->days * SECONDS_PER_DAY + DELTA(op)->seconds) *
               US_PER_SECOND +
           DELTA(op)->microseconds;
}

/* Checked construction in exactly type, without calling a subclass's __new__. */
NJ_MUST PyObject *nj_new_date(const Fields *f, PyTypeObject *type);
NJ_MUST PyObject *nj_new_time(const Fields *f, PyObject *tz, PyTypeObject *type);
NJ_MUST PyObject *nj_new_datetime(const Fields *f, PyObject *tz, PyTypeObject *type);
/* The same, calling the class if it is a subclass. */
NJ_MUST PyObject *nj_make_date(const Fields *f, PyObject *cls);
NJ_MUST PyObject *nj_make_datetime(const Fields *f, PyObject *tz, PyObject *cls);

NJ_MUST PyObject *nj_new_timezone(PyObject *offset, PyObject *name);
/* tz.utcoffset(arg) and the like, checked: timedelta or None. */
NJ_MUST PyObject *nj_call_utcoffset(PyObject *tz, PyObject *arg);
NJ_MUST PyObject *nj_call_dst(PyObject *tz, PyObject *arg);
NJ_MUST PyObject *nj_call_tzname(PyObject *tz, PyObject *arg);

NJ_MUST PyObject *nj_date_fromtimestamp(PyObject *cls, PyObject *timestamp);
NJ_MUST PyObject *nj_datetime_fromtimestamp_api(PyObject *cls, PyObject *args,
                                                PyObject *kwargs);
/* Fields of a pickle, if the argument is one: 1 (bytes borrowed from *state, a new
 * reference), 0, -1. */
NJ_MUST int nj_pickle_state(PyObject *arg, Py_ssize_t size, int month_at, const char *what,
                            PyObject **state);
/* "datetime", or the module of a subclass: for repr(). */
NJ_MUST PyObject *nj_class_name(PyObject *op);
NJ_MUST PyObject *nj_compare_result(int diff, int op);

/* type(*args, **kwargs) through tp_new: for what the vectorcall functions do not do. */
NJ_MUST PyObject *nj_new_by_tuple(PyTypeObject *type, PyObject *const *args, Py_ssize_t n,
                                  PyObject *kwnames);
/* An optional int argument: absent (NULL) leaves *out. */
NJ_MUST int nj_int_arg(PyObject *o, int *out);
NJ_MUST PyObject *nj_date_format(PyObject *op, PyObject *args);

/* A plain int argument that fits. */
static inline bool
small_int(PyObject *o, int *out)
{
    if (!PyLong_CheckExact(o) || !PyUnstable_Long_IsCompact((PyLongObject *)o)) {
        return false;
    }
    *out = (int)PyUnstable_Long_CompactValue((PyLongObject *)o); /* of 30 bits */
    return true;
}

#endif

/* calendar.c - the proleptic Gregorian calendar, ISO weeks, the clock of the system.
 * SPDX-License-Identifier: MIT
 */
#include "datetime_int.h"

#include <math.h>
#include <time.h>

static bool
is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int
nj_days_in_month(int year, int month)
{
    static const signed char days[13] = {0,  31, 28, 31, 30, 31, 30,
                                         31, 31, 30, 31, 30, 31};
    return days[month] + (month == 2 && is_leap(year));
}

static int
days_before_year(int year)
{
    int y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400;
}

int
nj_ymd_to_ordinal(int year, int month, int day)
{
    static const short before[13] = {0,   0,   31,  59,  90,  120, 151,
                                     181, 212, 243, 273, 304, 334};
    return days_before_year(year) + before[month] + (month > 2 && is_leap(year)) + day;
}

/* Counts years from March, so that the leap day ends a year. */
void
nj_ordinal_to_ymd(int ordinal, Fields *f)
{
    int n = ordinal - 1 + 306; /* since 0000-03-01 */
    int era = n / 146097, doe = n % 146097;
    int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int mp = (5 * doy + 2) / 153;
    f->day = doy - (153 * mp + 2) / 5 + 1;
    f->month = mp < 10 ? mp + 3 : mp - 9;
    f->year = yoe + era * 400 + (f->month <= 2);
}

int
nj_weekday(int year, int month, int day)
{
    return (nj_ymd_to_ordinal(year, month, day) + 6) % 7;
}

int
nj_iso_week1_monday(int year)
{
    int first = nj_ymd_to_ordinal(year, 1, 1);
    int weekday = (first + 6) % 7;
    return first - weekday + (weekday > 3 ? 7 : 0);
}

int
nj_iso_to_ymd(int year, int week, int day, Fields *f)
{
    if (year < MINYEAR || year > MAXYEAR) {
        return -1;
    }
    if (week < 1 || week > 53) {
        return -2;
    }
    if (week == 53) {
        /* years that begin on Thursday, and leap years that begin on Wednesday */
        int first = nj_weekday(year, 1, 1);
        if (first != 3 && !(first == 2 && is_leap(year))) {
            return -2;
        }
    }
    if (day < 1 || day > 7) {
        return -3;
    }
    int ordinal = nj_iso_week1_monday(year) + (week - 1) * 7 + day - 1;
    if (ordinal < 1) { /* year 1 begins on a Monday: no */
        f->year = 0;
        return 0;
    }
    if (ordinal > MAXORDINAL) {
        f->year = MAXYEAR + 1;
        f->month = f->day = 1;
        return 0;
    }
    nj_ordinal_to_ymd(ordinal, f);
    return 0;
}

static NJ_COLD int
raise_range(const char *what, int lo, int hi, int v)
{
    PyErr_Format(PyExc_ValueError, "%s must be in %d..%d, not %d", what, lo, hi, v);
    return -1;
}

int
nj_check_date(const Fields *f)
{
    if (f->year < MINYEAR || f->year > MAXYEAR) {
        return raise_range("year", MINYEAR, MAXYEAR, f->year);
    }
    if (f->month < 1 || f->month > 12) {
        return raise_range("month", 1, 12, f->month);
    }
    int n;
    if (f->day < 1 ||
        (f->day > 28 && f->day > (n = nj_days_in_month(f->year, f->month)))) {
        n = nj_days_in_month(f->year, f->month);
        PyErr_Format(PyExc_ValueError,
                     "day %i must be in range 1..%d for month %i in year %i", f->day, n,
                     f->month, f->year);
        return -1;
    }
    return 0;
}

int
nj_check_time(const Fields *f)
{
    if (f->hour < 0 || f->hour > 23) {
        return raise_range("hour", 0, 23, f->hour);
    }
    if (f->minute < 0 || f->minute > 59) {
        return raise_range("minute", 0, 59, f->minute);
    }
    if (f->second < 0 || f->second > 59) {
        return raise_range("second", 0, 59, f->second);
    }
    if (f->us < 0 || f->us > 999999) {
        return raise_range("microsecond", 0, 999999, f->us);
    }
    if (f->fold != 0 && f->fold != 1) {
        PyErr_Format(PyExc_ValueError, "fold must be either 0 or 1, not %i", f->fold);
        return -1;
    }
    return 0;
}

int
nj_check_tzinfo(PyObject *tz)
{
    if (tz == Py_None || IS_TZINFO(tz)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "tzinfo argument must be None or of a tzinfo subclass, not type '%s'",
                 Py_TYPE(tz)->tp_name);
    return -1;
}

/* Division that rounds down. */
static inline int64_t
floor_div(int64_t a, int64_t b, int64_t *rest)
{
    int64_t q = a / b, r = a % b;
    if (r < 0) {
        r += b;
        q--;
    }
    *rest = r;
    return q;
}

int
nj_normalize(Fields *f, int64_t days, int64_t seconds, int64_t us)
{
    seconds += floor_div(us, US_PER_SECOND, &us);
    days += floor_div(seconds, SECONDS_PER_DAY, &seconds);
    if (days < 1 || days > MAXORDINAL) {
        PyErr_SetString(PyExc_OverflowError, "date value out of range");
        return -1;
    }
    nj_ordinal_to_ymd((int)days, f);
    int rest = (int)seconds; /* of one day */
    f->hour = rest / 3600;
    f->minute = rest / 60 % 60;
    f->second = rest % 60;
    f->us = (int)us;
    return 0;
}

int
nj_shift(Fields *f, int64_t days, int seconds, int us)
{
    us += f->us;
    seconds += seconds_of_day(f);
    if (us < 0) {
        us += (int)US_PER_SECOND;
        seconds--;
    } else if (us >= US_PER_SECOND) {
        us -= (int)US_PER_SECOND;
        seconds++;
    }
    if (seconds < 0) {
        seconds += SECONDS_PER_DAY;
        days--;
    } else if (seconds >= SECONDS_PER_DAY) {
        seconds -= SECONDS_PER_DAY;
        days++;
    }
    int64_t day = f->day + days;
    if (day < 1 || day > 28) { /* perhaps not in this month */
        return nj_normalize(f, nj_ymd_to_ordinal(f->year, f->month, f->day) + days, seconds,
                            us);
    }
    f->day = (int)day;
    f->hour = seconds / 3600;
    f->minute = seconds / 60 % 60;
    f->second = seconds % 60;
    f->us = us;
    return 0;
}

int64_t
nj_fields_to_seconds(const Fields *f)
{
    int64_t days = nj_ymd_to_ordinal(f->year, f->month, f->day) - 1;
    return days * SECONDS_PER_DAY + seconds_of_day(f);
}

/* ---- the clock of the system --------------------------------------------------------- */

int
nj_break_down(int64_t t, bool utc, Fields *f)
{
    struct tm tm;
    time_t tt = (time_t)t;
    errno = 0;
    if ((utc ? gmtime_r(&tt, &tm) : localtime_r(&tt, &tm)) == NULL) {
        if (errno == 0) {
            errno = EINVAL;
        }
        PyErr_SetFromErrno(errno == EOVERFLOW ? PyExc_OSError : PyExc_OSError);
        return -1;
    }
    *f = (Fields){.year = tm.tm_year + 1900,
                  .month = tm.tm_mon + 1,
                  .day = tm.tm_mday,
                  .hour = tm.tm_hour,
                  .minute = tm.tm_min,
                  .second = tm.tm_sec > 59 ? 59 : tm.tm_sec}; /* no leap seconds */
    return 0;
}

int
nj_local_seconds(int64_t t, int64_t *out)
{
    Fields f;
    if (t < -EPOCH_SECONDS - SECONDS_PER_DAY ||
        t > INT64_C(253402300799) + SECONDS_PER_DAY) {
        PyErr_Format(PyExc_ValueError, "year must be in %d..%d, not %d", MINYEAR, MAXYEAR,
                     t < 0 ? 0 : MAXYEAR + 1);
        return -1;
    }
    if (nj_break_down(t, false, &f) < 0) {
        return -1;
    }
    if (f.year < MINYEAR || f.year > MAXYEAR) {
        return raise_range("year", MINYEAR, MAXYEAR, f.year);
    }
    *out = nj_fields_to_seconds(&f);
    return 0;
}

static NJ_COLD int
raise_time_t(void)
{
    PyErr_SetString(PyExc_OverflowError, "timestamp out of range for platform time_t");
    return -1;
}

static NJ_COLD int
raise_nan(void)
{
    PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
    return -1;
}

static int
int_seconds(PyObject *o, int64_t *out)
{
    NJ_OWN n = PyNumber_Index(o);
    if (n == NULL) {
        return -1;
    }
    int overflow;
    *out = PyLong_AsLongLongAndOverflow(n, &overflow);
    if (*out == -1 && PyErr_Occurred()) {
        return -1;
    }
    return overflow ? raise_time_t() : 0;
}

int
nj_timestamp_seconds(PyObject *o, int64_t *out)
{
    if (!PyFloat_Check(o)) {
        return int_seconds(o, out);
    }
    double d = PyFloat_AsDouble(o);
    if (isnan(d)) {
        return raise_nan();
    }
    d = floor(d);
    if (!(d >= -0x1p63 && d < 0x1p63)) {
        return raise_time_t();
    }
    *out = (int64_t)d;
    return 0;
}

static double
round_half_even(double x)
{
    double r = round(x);
    return fabs(x - r) == 0.5 ? 2.0 * round(x / 2.0) : r;
}

int
nj_timestamp_us(PyObject *o, int64_t *seconds, int *us)
{
    if (!PyFloat_Check(o)) {
        *us = 0;
        if (!PyLong_Check(o) && !PyIndex_Check(o)) {
            PyErr_Format(PyExc_TypeError, "argument must be int or float, not %T", o);
            return -1;
        }
        return int_seconds(o, seconds);
    }
    double d = PyFloat_AsDouble(o), whole;
    if (isnan(d)) {
        return raise_nan();
    }
    double frac = round_half_even(modf(d, &whole) * 1e6);
    if (frac >= 1e6) {
        frac -= 1e6;
        whole += 1.0;
    }
    else if (frac < 0) {
        frac += 1e6;
        whole -= 1.0;
    }
    if (!(whole >= -0x1p63 && whole < 0x1p63)) {
        return raise_time_t();
    }
    *seconds = (int64_t)whole;
    *us = (int)frac;
    return 0;
}

/* text.c - ISO 8601, strftime() and strptime() of the module _datetime.
 * SPDX-License-Identifier: MIT
 */
#include "datetime_int.h"

/* ---- writing ------------------------------------------------------------------------- */

static inline char *
put_digits(char *s, int v, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        s[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return s + n;
}

char *
nj_put_date(char *s, const Fields *f)
{
    s = put_digits(s, f->year, 4);
    *s++ = '-';
    s = put_digits(s, f->month, 2);
    *s++ = '-';
    return put_digits(s, f->day, 2);
}

enum { SPEC_AUTO, SPEC_HOURS, SPEC_MINUTES, SPEC_SECONDS, SPEC_MS, SPEC_US };

int
nj_timespec(const char *name)
{
    static const char *const names[] = {"auto",    "hours",        "minutes",
                                        "seconds", "milliseconds", "microseconds"};
    for (int i = 0; i < (int)NJ_ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return i;
        }
    }
    PyErr_SetString(PyExc_ValueError, "Unknown timespec value");
    return -1;
}

char *
nj_put_time(char *s, const Fields *f, int spec)
{
    if (spec == SPEC_AUTO) {
        spec = f->us ? SPEC_US : SPEC_SECONDS;
    }
    s = put_digits(s, f->hour, 2);
    if (spec >= SPEC_MINUTES) {
        *s++ = ':';
        s = put_digits(s, f->minute, 2);
    }
    if (spec >= SPEC_SECONDS) {
        *s++ = ':';
        s = put_digits(s, f->second, 2);
    }
    if (spec >= SPEC_MS) {
        *s++ = '.';
        s = spec == SPEC_MS ? put_digits(s, f->us / 1000, 3) : put_digits(s, f->us, 6);
    }
    return s;
}

static void
put_delta_offset(char *s, const char *sep, PyObject *offset)
{
    int64_t us = (int64_t)delta_us(offset); /* less than a day */
    *s++ = us < 0 ? '-' : '+';
    us = us < 0 ? -us : us;
    int seconds = (int)(us / US_PER_SECOND), frac = (int)(us % US_PER_SECOND);
    s = put_digits(s, seconds / 3600, 2);
    s = stpcpy(s, sep);
    s = put_digits(s, seconds / 60 % 60, 2);
    if (seconds % 60 || frac) {
        s = stpcpy(s, sep);
        s = put_digits(s, seconds % 60, 2);
    }
    if (frac) {
        *s++ = '.';
        s = put_digits(s, frac, 6);
    }
    *s = '\0';
}

int
nj_put_offset(char *buf, const char *sep, PyObject *tzinfo, PyObject *arg)
{
    buf[0] = '\0';
    if (tzinfo == Py_None) {
        return 0;
    }
    NJ_OWN offset = nj_call_utcoffset(tzinfo, arg);
    if (offset == NULL) {
        return -1;
    }
    if (offset != Py_None) {
        put_delta_offset(buf, sep, offset);
    }
    return 0;
}

PyObject *
nj_struct_time(const Fields *f, int dst)
{
    int ordinal = nj_ymd_to_ordinal(f->year, f->month, f->day);
    NJ_OWN type = PyImport_ImportModuleAttrString("time", "struct_time");
    NJ_OWN items = type ? Py_BuildValue("iiiiiiiii", f->year, f->month, f->day, f->hour,
                                        f->minute, f->second, (ordinal + 6) % 7,
                                        ordinal - nj_ymd_to_ordinal(f->year, 1, 1) + 1, dst)
                        : NULL;
    return items ? PyObject_CallOneArg(type, items) : NULL;
}

PyObject *
nj_ctime(const Fields *f)
{
    static const char days[] = "MonTueWedThuFriSatSun";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int wd = nj_weekday(f->year, f->month, f->day);
    return PyUnicode_FromFormat("%.3s %.3s %2d %02d:%02d:%02d %04d", days + 3 * wd,
                                months + 3 * (f->month - 1), f->day, f->hour, f->minute,
                                f->second, f->year);
}

/* ---- strftime ------------------------------------------------------------------------ */

static PyObject *
time_strftime(PyObject *format, PyObject *timetuple)
{
    NJ_OWN func = PyImport_ImportModuleAttrString("time", "strftime");
    return func ? PyObject_CallFunctionObjArgs(func, format, timetuple, NULL) : NULL;
}

/* What %Y, %G, %F or %C give with leading zeros, which the C library leaves out. */
static PyObject *
padded_year(Py_UCS4 c, PyObject *timetuple)
{
    NJ_OWN year_obj = NULL;
    if (c == 'G') {
        NJ_OWN format = PyUnicode_FromString("%G");
        NJ_OWN text = format ? time_strftime(format, timetuple) : NULL;
        year_obj = text ? PyNumber_Long(text) : NULL;
    }
    else {
        year_obj = PySequence_GetItem(timetuple, 0);
    }
    long year = year_obj ? PyLong_AsLong(year_obj) : -1;
    if (year == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (c == 'C') {
        return PyUnicode_FromFormat("%02ld", year / 100);
    }
    if (c != 'F') {
        return PyUnicode_FromFormat("%04ld", year);
    }
    NJ_OWN month = PySequence_GetItem(timetuple, 1);
    NJ_OWN day = month ? PySequence_GetItem(timetuple, 2) : NULL;
    long m = day ? PyLong_AsLong(month) : -1, d = day ? PyLong_AsLong(day) : -1;
    return PyErr_Occurred() ? NULL
                            : PyUnicode_FromFormat("%04ld-%02ld-%02ld", year, m, d);
}

static PyObject *
tzname_replacement(PyObject *tzinfo, PyObject *tzarg)
{
    if (tzinfo == Py_None) {
        return PyUnicode_FromString("");
    }
    NJ_OWN name = nj_call_tzname(tzinfo, tzarg);
    if (name == NULL || name == Py_None) {
        return name ? PyUnicode_FromString("") : NULL;
    }
    /* the method, which the class of a name may have overridden */
    NJ_OWN r = PyObject_CallMethod(name, "replace", "ss", "%", "%%");
    if (r && !PyUnicode_Check(r)) {
        PyErr_SetString(PyExc_TypeError, "tzname.replace() did not return a string");
        return NULL;
    }
    return NJ_TAKE(r);
}

static PyObject *
offset_replacement(const char *sep, PyObject *tzinfo, PyObject *tzarg)
{
    char buf[32];
    return nj_put_offset(buf, sep, tzinfo, tzarg) < 0 ? NULL : PyUnicode_FromString(buf);
}

/* What stands for the directive at format[i] (behind the %); *used characters long. A
 * new reference; NULL without an exception: none of ours. */
static PyObject *
replacement(PyObject *format, Py_ssize_t i, Py_ssize_t *used, PyObject *timetuple, int us,
            PyObject *tzinfo, PyObject *tzarg, bool early)
{
    Py_UCS4 c = PyUnicode_READ_CHAR(format, i);
    *used = 1;
    switch (c) {
    case 'f': return PyUnicode_FromFormat("%06d", us);
    case 'z': return offset_replacement("", tzinfo, tzarg);
    case 'Z': return tzname_replacement(tzinfo, tzarg);
    case ':':
        if (i + 1 < PyUnicode_GET_LENGTH(format) &&
            PyUnicode_READ_CHAR(format, i + 1) == 'z') {
            *used = 2;
            return offset_replacement(":", tzinfo, tzarg);
        }
        return NULL;
    case 'Y':
    case 'G':
    case 'F':
    case 'C': return early ? padded_year(c, timetuple) : NULL;
    default: return NULL;
    }
}

PyObject *
nj_strftime(PyObject *self, PyObject *format, PyObject *timetuple, int us, PyObject *tzinfo,
            PyObject *tzarg)
{
    NJ_OWN year_obj = PySequence_GetItem(timetuple, 0);
    long year = year_obj ? PyLong_AsLong(year_obj) : -1;
    if (year == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(format), copied = 0;
    NJ_OWN parts = PyList_New(0);
    if (parts == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i + 1 < n; i++) {
        if (PyUnicode_READ_CHAR(format, i) != '%') {
            continue;
        }
        Py_ssize_t used;
        NJ_OWN text = replacement(format, i + 1, &used, timetuple, us, tzinfo, tzarg,
                                  year < 1000);
        if (text == NULL && PyErr_Occurred()) {
            return NULL;
        }
        if (text) {
            NJ_OWN before = PyUnicode_Substring(format, copied, i);
            if (before == NULL || PyList_Append(parts, before) < 0 ||
                PyList_Append(parts, text) < 0) {
                return NULL;
            }
            copied = i + 1 + used;
        }
        i += used;
    }
    if (copied == 0) {
        return time_strftime(format, timetuple);
    }
    NJ_OWN rest = PyUnicode_Substring(format, copied, n);
    NJ_OWN empty = PyUnicode_FromString("");
    if (rest == NULL || empty == NULL || PyList_Append(parts, rest) < 0) {
        return NULL;
    }
    NJ_OWN whole = PyUnicode_Join(empty, parts);
    return whole ? time_strftime(whole, timetuple) : NULL;
}

PyObject *
nj_strptime(const char *function, PyObject *cls, PyObject *args)
{
    PyObject *text, *format;
    if (!PyArg_ParseTuple(args, "UU:strptime", &text, &format)) {
        return NULL;
    }
    NJ_OWN func = PyImport_ImportModuleAttrString("_strptime", function);
    return func ? PyObject_CallFunctionObjArgs(func, cls, text, format, NULL) : NULL;
}

/* ---- reading ------------------------------------------------------------------------- */

char *
nj_iso_bytes(PyObject *text, char *small, int *len)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    char *buf = n < ISO_MAX ? small : n < INT_MAX ? PyMem_Malloc((size_t)n + 1) : NULL;
    if (buf == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        buf[i] = c < 128 ? (char)c : '\xff';
    }
    buf[n] = '\0';
    *len = (int)n;
    return buf;
}

static inline bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly n digits: the number, or -1. */
static int
read_digits(const char *s, const char *end, int n)
{
    if (end - s < n) {
        return -1;
    }
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (!is_digit(s[i])) {
            return -1;
        }
        v = v * 10 + (s[i] - '0');
    }
    return v;
}

int
nj_find_iso_separator(const char *s, int n)
{
    if (n == 7) {
        return 7;
    }
    if (s[4] == '-') {
        if (s[5] != 'W') {
            return 10; /* YYYY-MM-DD */
        }
        if (n < 8) {
            return -1;
        }
        if (n > 8 && s[8] == '-') {
            if (n == 9) {
                return -1;
            }
            /* YYYY-Www-D, or YYYY-Www with - as the separator before a time */
            return n > 10 && is_digit(s[10]) ? 8 : 10;
        }
        return 8;
    }
    if (s[4] != 'W') {
        return 8; /* YYYYMMDD */
    }
    int i = 7;
    while (i < n && is_digit(s[i])) {
        i++;
    }
    if (i < 9) {
        return i;
    }
    return i % 2 == 0 ? 7 : 8; /* YYYYWww or YYYYWwwD, by what is left for a time */
}

int
nj_parse_iso_date(const char *s, int n, Fields *f)
{
    if (n != 7 && n != 8 && n != 10) {
        return -1;
    }
    const char *end = s + n;
    f->year = read_digits(s, end, 4);
    if (f->year < 0) {
        return -1;
    }
    bool sep = s[4] == '-';
    s += 4 + sep;
    if (s < end && *s == 'W') {
        int week = read_digits(s + 1, end, 2), day = 1;
        if (week < 0) {
            return -1;
        }
        s += 3;
        if (s < end) {
            if ((*s == '-') != sep) {
                return -1;
            }
            s += sep;
            day = read_digits(s, end, 1);
            if (day < 0 || s + 1 != end) {
                return -1;
            }
        }
        return nj_iso_to_ymd(f->year, week, day, f) < 0 ? -1 : 0;
    }
    f->month = read_digits(s, end, 2);
    if (f->month < 0) {
        return -1;
    }
    s += 2;
    if ((s < end && *s == '-') != sep) {
        return -1;
    }
    s += sep;
    f->day = read_digits(s, end, 2);
    return f->day < 0 || s + 2 != end ? -1 : 0;
}

/* HH[:?MM[:?SS[{.,}f+]]] */
static int
parse_clock(const char *s, const char *end, int out[4])
{
    static const int scale[] = {0, 100000, 10000, 1000, 100, 10, 1};
    bool sep = false;
    out[0] = out[1] = out[2] = out[3] = 0;
    for (int i = 0; i < 3; i++) {
        out[i] = read_digits(s, end, 2);
        if (out[i] < 0) {
            return -1;
        }
        s += 2;
        if (i == 0) {
            sep = s < end && *s == ':';
        }
        if (s >= end || i == 2) {
            break;
        }
        if (sep && *s != ':') {
            return -1;
        }
        s += sep;
    }
    if (s >= end) {
        return 0;
    }
    if (*s != '.' && *s != ',') {
        return -1;
    }
    s++;
    int digits = 0;
    for (; s < end; s++) {
        if (!is_digit(*s)) {
            return -1;
        }
        if (digits < 6) {
            out[3] = out[3] * 10 + (*s - '0');
            digits++;
        }
    }
    if (digits == 0) {
        return -1;
    }
    out[3] *= scale[digits];
    return 0;
}

static int
parse_zone(const char *s, const char *end, char mark, PyObject **tz)
{
    int part[4];
    if (mark == 'Z') {
        if (s != end) {
            return -1;
        }
        *tz = Py_NewRef(&nj_utc);
        return 0;
    }
    Py_ssize_t n = end - s;
    if (n == 0 || n == 1 || n == 3 || parse_clock(s, end, part) < 0) {
        return -1;
    }
    /* in range one by one, as for a time of day */
    int64_t us = ((int64_t)part[0] * 3600 + part[1] * 60 + part[2]) * US_PER_SECOND +
                 part[3];
    if (us == 0) {
        *tz = Py_NewRef(&nj_utc);
        return 0;
    }
    NJ_OWN offset = nj_delta_from_us(mark == '-' ? -us : us);
    *tz = offset ? nj_new_timezone(offset, NULL) : NULL;
    return *tz ? 0 : -2;
}

int
nj_parse_iso_time(const char *s, int n, Fields *f, bool *next_day, PyObject **tz)
{
    const char *end = s + n, *zone = NULL;
    int part[4];
    *tz = NULL;
    *next_day = false;
    if (n < 2) {
        return -1;
    }
    for (const char *mark = "-+Z"; *mark && zone == NULL; mark++) {
        zone = memchr(s, *mark, (size_t)n);
    }
    if (parse_clock(s, zone ? zone : end, part) < 0) {
        return -1;
    }
    f->hour = part[0];
    f->minute = part[1];
    f->second = part[2];
    f->us = part[3];
    if (zone) {
        int r = parse_zone(zone + 1, end, *zone, tz);
        if (r < 0) {
            return r;
        }
    }
    else {
        *tz = Py_NewRef(Py_None);
    }
    if (f->hour == 24) {
        if (f->minute || f->second || f->us) {
            Py_CLEAR(*tz);
            PyErr_SetString(PyExc_ValueError,
                            "minute, second, and microsecond must be 0 when hour is 24");
            return -2;
        }
        f->hour = 0;
        *next_day = true;
    }
    return 0;
}

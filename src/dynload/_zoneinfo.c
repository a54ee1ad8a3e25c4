/* _zoneinfo.c - zoneinfo.ZoneInfo: time zones of the IANA database.
 *
 * zoneinfo._common reads the files and zoneinfo._tzpath finds them; here are the class,
 * its caches, and what finds the offset in force at a time. zoneinfo/_zoneinfo.py has
 * the same algorithm in Python.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#define _PY_DATETIME_IMPL /* the header's declarations without its macros for users */
#include <datetime.h>

#include <stdlib.h>

enum {
    EPOCH_ORDINAL = 719163, /* of 1970-01-01 */
    DAY = 86400,
    STRONG_SIZE = 8,
    DELTAS_SIZE = 512,
};

/* What is in force for a while. */
typedef struct Info {
    PyObject *utcoff, *dstoff, *tzname;
    int seconds; /* of utcoff */
} Info;

/* When a change happens every year, in local seconds. */
typedef struct Rule {
    enum { RULE_MONTH, RULE_JULIAN, RULE_DAY } kind;
    int month, week, day; /* a rule with a month; day of the others too */
    int seconds;          /* after midnight */
} Rule;

/* What holds after the last transition: std alone, or std and dst by turns. */
typedef struct After {
    bool by_rule;
    Info std, dst;
    int difference; /* of dst and std */
    Rule start, end;
} After;

enum Source { FROM_FILE, NO_CACHE, FROM_CACHE };

typedef struct Zone {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *key, *file_repr;
    enum Source source;
    bool fixed; /* the same offset always */
    Py_ssize_t ninfos, ntransitions;
    Info *infos;
    int64_t *utc;              /* times of transitions */
    int64_t *local[2];         /* the same in local seconds, by fold */
    const Info **transitions;  /* what holds from there on */
    const Info *before;
    After after;
} Zone;

typedef struct ZoneState {
    PyTypeObject *zone_type;
    PyDateTime_CAPI *api;
    PyObject *weak_cache;   /* of the class itself; subclasses have their own */
    PyObject *deltas;       /* dict: seconds to timedelta */
    PyObject *find_tzfile, *load_data, *load_tzdata, *open, *weak_dict;
    /* Zones of the class itself that were used last, the latest first. */
    struct {
        PyObject *key, *zone;
    } strong[STRONG_SIZE];
    int nstrong;
} ZoneState;

static struct PyModuleDef zoneinfo_module;

#define ZONE(op) ((Zone *)(op))

static void zone_dealloc(PyObject *op);

static inline ZoneState *
zone_state(PyTypeObject *type)
{
    /* the class itself, unlike its subclasses, has the dealloc from here */
    return PyModule_GetState(NJ_LIKELY(type->tp_dealloc == zone_dealloc)
                                 ? ((PyHeapTypeObject *)type)->ht_module
                                 : PyType_GetModuleByDef(type, &zoneinfo_module));
}

/* ---- days ---------------------------------------------------------------------------- */

static inline bool
is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static const int days_before_month[] = {0,   0,   31,  59,  90,  120, 151,
                                        181, 212, 243, 273, 304, 334, 365};

/* Days from 1970-01-01 to the first of January. */
static inline int64_t
days_before_year(int64_t year)
{
    int64_t y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + 1 - EPOCH_ORDINAL;
}

static inline int64_t
days_before(int64_t year, int month)
{
    return days_before_year(year) + days_before_month[month] + (month > 2 && is_leap(year));
}

/* When the change happens, in local seconds since 1970. */
static int64_t
rule_time(const Rule *r, int64_t year)
{
    if (r->kind != RULE_MONTH) {
        /* Days count from 1 as the reference has it, those of a julian rule from
         * February 28 on leave out a day of leap years. */
        int64_t day = r->day - 1 + (r->kind == RULE_JULIAN && r->day >= 59 && is_leap(year));
        return (days_before_year(year) + day) * DAY + r->seconds;
    }
    int64_t first = days_before(year, r->month);
    int length = days_before_month[r->month + 1] - days_before_month[r->month] +
                 (r->month == 2 && is_leap(year));
    /* 1970-01-01 was a Thursday; Sunday is day 0 */
    int weekday = (int)(((first + 4) % 7 + 7) % 7);
    int day = (r->day - weekday + 7) % 7 + (r->week - 1) * 7;
    if (day >= length) { /* week 5 is the last one */
        day -= 7;
    }
    return (first + day) * DAY + r->seconds;
}

/* ---- the offset in force ------------------------------------------------------------- */

static const Info *
info_after(const After *a, int64_t time, int64_t year, int fold)
{
    if (!a->by_rule) {
        return &a->std;
    }
    int64_t start = rule_time(&a->start, year), end = rule_time(&a->end, year);
    /* Without fold the period of the smaller offset lasts from the end of the gap to the
     * end of the repeated time, with fold from the start of the gap to its beginning. */
    if (fold == (a->difference >= 0)) {
        end -= a->difference;
    }
    else {
        start += a->difference;
    }
    bool dst = start < end ? start <= time && time < end : !(end <= time && time < start);
    return dst ? &a->dst : &a->std;
}

static const Info *
info_after_utc(const After *a, int64_t time, int64_t year, int *fold)
{
    int64_t start = rule_time(&a->start, year) - a->std.seconds;
    int64_t end = rule_time(&a->end, year) - a->dst.seconds;
    bool dst = start < end ? start <= time && time < end : !(end <= time && time < start);
    int64_t repeated = a->difference > 0 ? end : start;
    int64_t length = a->difference > 0 ? a->difference : -(int64_t)a->difference;
    *fold = repeated <= time && time < repeated + length;
    return dst ? &a->dst : &a->std;
}

/* How many of the times are not after x. Local times need not be in order: halving the
 * same way as the bisect module gives the same answers then. */
static Py_ssize_t
count_until(const int64_t *times, Py_ssize_t n, int64_t x)
{
    Py_ssize_t low = 0;
    while (low < n) {
        Py_ssize_t middle = (low + n) / 2;
        if (x < times[middle]) {
            n = middle;
        }
        else {
            low = middle + 1;
        }
    }
    return low;
}

static int
int_attribute(PyObject *op, const char *name, long *out)
{
    NJ_OWN v = PyObject_GetAttrString(op, name);
    if (v == NULL) {
        return -1;
    }
    *out = PyLong_AsLong(v);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static bool
is_datetime(ZoneState *st, PyObject *op)
{
    return PyObject_TypeCheck(op, st->api->DateTimeType);
}

/* The time of dt on its own clock, in seconds since 1970. */
static int
local_time(ZoneState *st, PyObject *dt, int64_t *out)
{
    long hour, minute, second;
    int64_t days;
    if (is_datetime(st, dt)) {
        days = days_before(PyDateTime_GET_YEAR(dt), PyDateTime_GET_MONTH(dt)) +
               PyDateTime_GET_DAY(dt) - 1;
        hour = PyDateTime_DATE_GET_HOUR(dt);
        minute = PyDateTime_DATE_GET_MINUTE(dt);
        second = PyDateTime_DATE_GET_SECOND(dt);
    }
    else {
        NJ_OWN ordinal = PyObject_CallMethod(dt, "toordinal", NULL);
        if (ordinal == NULL) {
            return -1;
        }
        days = PyLong_AsLong(ordinal);
        if ((days == -1 && PyErr_Occurred()) || int_attribute(dt, "hour", &hour) < 0 ||
            int_attribute(dt, "minute", &minute) < 0 ||
            int_attribute(dt, "second", &second) < 0) {
            return -1;
        }
        days = (int64_t)((uint64_t)days - EPOCH_ORDINAL);
    }
    /* what is no datetime may say anything: let it wrap */
    *out = (int64_t)((uint64_t)days * DAY + (uint64_t)hour * 3600 + (uint64_t)minute * 60 +
                     (uint64_t)second);
    return 0;
}

static const Info no_info;

/* What holds at dt: NULL with an exception. */
static const Info *
find_info(ZoneState *st, Zone *z, PyObject *dt)
{
    if (dt == Py_None) {
        return z->fixed ? &z->after.std : &no_info;
    }
    int64_t time;
    if (local_time(st, dt, &time) < 0) {
        return NULL;
    }
    long fold, year;
    bool real = is_datetime(st, dt);
    if (real) {
        fold = PyDateTime_DATE_GET_FOLD(dt);
    }
    else if (int_attribute(dt, "fold", &fold) < 0) {
        return NULL;
    }
    const int64_t *times = z->local[fold != 0];
    Py_ssize_t n = z->ntransitions;
    if (n && time < times[0]) {
        return z->before;
    }
    if (n && time <= times[n - 1]) {
        return z->transitions[count_until(times, n, time) - 1];
    }
    if (!z->after.by_rule) {
        return &z->after.std;
    }
    if (real) {
        year = PyDateTime_GET_YEAR(dt);
    }
    else if (int_attribute(dt, "year", &year) < 0) {
        return NULL;
    }
    else if (year < 1 || year > 9999) {
        PyErr_Format(PyExc_ValueError, "year %ld is out of range", year);
        return NULL;
    }
    return info_after(&z->after, time, year, fold != 0);
}

static int
pack_arguments(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **tuple,
               PyObject **dict)
{
    *tuple = PyTuple_New(nargs);
    *dict = PyDict_New();
    if (*tuple == NULL || *dict == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyTuple_SET_ITEM(*tuple, i, Py_NewRef(args[i]));
    }
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
        if (PyDict_SetItem(*dict, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The positional argument of a method: NULL with an exception. */
static PyObject *
one_argument(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *format)
{
    static char *names[] = {"", NULL};
    if (NJ_LIKELY(nargs == 1 && kwnames == NULL)) {
        return args[0];
    }
    NJ_OWN tuple = NULL;
    NJ_OWN dict = NULL;
    if (pack_arguments(args, nargs, kwnames, &tuple, &dict) < 0) {
        return NULL;
    }
    PyObject *v;
    if (PyArg_ParseTupleAndKeywords(tuple, dict, format, names, &v)) {
        PyErr_BadInternalCall(); /* one positional argument is all that fits */
    }
    return NULL;
}

static const Info *
info_of_call(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
             const char *format)
{
    PyObject *dt = one_argument(args, nargs, kwnames, format);
    return dt ? find_info(zone_state(Py_TYPE(op)), ZONE(op), dt) : NULL;
}

/* A value of an Info, None where there is none. */
static PyObject *
value_of(PyObject *v)
{
    return Py_NewRef(v ? v : Py_None);
}

static PyObject *
zone_utcoffset(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const Info *info = info_of_call(op, args, nargs, kwnames, "O:utcoffset");
    return info ? value_of(info->utcoff) : NULL;
}

static PyObject *
zone_dst(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const Info *info = info_of_call(op, args, nargs, kwnames, "O:dst");
    return info ? value_of(info->dstoff) : NULL;
}

static PyObject *
zone_tzname(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const Info *info = info_of_call(op, args, nargs, kwnames, "O:tzname");
    return info ? value_of(info->tzname) : NULL;
}

/* What holds at a time in UTC. */
static const Info *
find_info_utc(const Zone *z, int64_t time, int year, int *fold)
{
    Py_ssize_t n = z->ntransitions;
    const Info *info;
    *fold = 0;
    if (n && time < z->utc[0]) {
        return z->before;
    }
    Py_ssize_t i = count_until(z->utc, n, time);
    if (n && time <= z->utc[n - 1]) {
        info = z->transitions[i - 1];
    }
    else if (z->after.by_rule) {
        info = info_after_utc(&z->after, time, year, fold);
    }
    else {
        info = &z->after.std;
    }
    if (n) {
        /* the clock was put back, and not longer ago than by how much */
        const Info *previous = i > 1 ? z->transitions[i - 2] : z->before;
        int64_t shift = (int64_t)previous->seconds - info->seconds;
        if (shift > 0 && (uint64_t)time - (uint64_t)z->utc[i - 1] < (uint64_t)shift) {
            *fold = 1;
        }
    }
    return info;
}

/* The same time with fold 1. */
static PyObject *
set_fold(ZoneState *st, PyObject *dt)
{
    if (Py_IS_TYPE(dt, st->api->DateTimeType)) {
        return st->api->DateTime_FromDateAndTimeAndFold(
            PyDateTime_GET_YEAR(dt), PyDateTime_GET_MONTH(dt), PyDateTime_GET_DAY(dt),
            PyDateTime_DATE_GET_HOUR(dt), PyDateTime_DATE_GET_MINUTE(dt),
            PyDateTime_DATE_GET_SECOND(dt), PyDateTime_DATE_GET_MICROSECOND(dt),
            PyDateTime_DATE_GET_TZINFO(dt), 1, st->api->DateTimeType);
    }
    NJ_OWN replace = PyObject_GetAttrString(dt, "replace");
    NJ_OWN args = replace ? PyTuple_New(0) : NULL;
    NJ_OWN kwargs = args ? Py_BuildValue("{s:i}", "fold", 1) : NULL;
    return kwargs ? PyObject_Call(replace, args, kwargs) : NULL;
}

static PyObject *
zone_fromutc(PyObject *op, PyObject *dt)
{
    ZoneState *st = zone_state(Py_TYPE(op));
    if (!is_datetime(st, dt)) {
        PyErr_SetString(PyExc_TypeError, "fromutc: argument must be a datetime");
        return NULL;
    }
    if (PyDateTime_DATE_GET_TZINFO(dt) != op) {
        PyErr_SetString(PyExc_ValueError, "fromutc: dt.tzinfo is not self");
        return NULL;
    }
    int64_t time;
    int fold;
    if (local_time(st, dt, &time) < 0) {
        return NULL;
    }
    const Info *info = find_info_utc(ZONE(op), time, PyDateTime_GET_YEAR(dt), &fold);
    NJ_OWN r = PyNumber_Add(dt, info->utcoff);
    if (r == NULL || !fold) {
        return NJ_TAKE(r);
    }
    if (!is_datetime(st, r)) {
        PyErr_Format(PyExc_TypeError, "sum of a datetime and a timedelta is %T", r);
        return NULL;
    }
    return set_fold(st, r);
}

/* ---- TZ strings ---------------------------------------------------------------------- */

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* From min to max digits: -1 if there are fewer. */
static int
parse_number(const char **s, int min, int max)
{
    int v = 0, n = 0;
    for (; n < max && is_digit(**s); n++) {
        v = v * 10 + *(*s)++ - '0';
    }
    return n < min ? -1 : v;
}

/* [+-]hh[:mm[:ss]] with up to three digits of hours, in seconds. */
static int
parse_hms(const char **s, int max_hours, int *out)
{
    bool negative = **s == '-';
    if (negative || **s == '+') {
        (*s)++;
    }
    int h = parse_number(s, 1, 3), part[2] = {0, 0};
    if (h < 0 || h > max_hours) {
        return -1;
    }
    for (int i = 0; i < 2 && **s == ':'; i++) {
        (*s)++;
        part[i] = parse_number(s, 2, 2);
        if (part[i] < 0) {
            return -1;
        }
    }
    int v = h * 3600 + part[0] * 60 + part[1];
    *out = negative ? -v : v;
    return 0;
}

/* A name, in <> if it has other characters than letters: 0 without an exception if there
 * is none. */
static int
parse_name(const char **s, PyObject **out)
{
    const char *start = *s, *p = start;
    if (*p == '<') {
        start = ++p;
        while (is_letter(*p) || is_digit(*p) || *p == '+' || *p == '-') {
            p++;
        }
        if (*p != '>') {
            return 0;
        }
        *s = p + 1;
    }
    else {
        while (is_letter(*p)) {
            p++;
        }
        *s = p;
    }
    if (p == start) {
        return 0;
    }
    *out = PyUnicode_FromStringAndSize(start, p - start);
    return *out ? 1 : -1;
}

static int
parse_rule(const char **s, Rule *r)
{
    *r = (Rule){.seconds = 2 * 3600};
    if (**s == 'M') {
        (*s)++;
        r->kind = RULE_MONTH;
        r->month = parse_number(s, 1, 2);
        if (r->month < 1 || r->month > 12 || *(*s)++ != '.') {
            return -1;
        }
        r->week = parse_number(s, 1, 1);
        if (r->week < 1 || r->week > 5 || *(*s)++ != '.') {
            return -1;
        }
        r->day = parse_number(s, 1, 1);
        if (r->day < 0 || r->day > 6) {
            return -1;
        }
    }
    else {
        r->kind = **s == 'J' ? RULE_JULIAN : RULE_DAY;
        *s += r->kind == RULE_JULIAN;
        r->day = parse_number(s, 1, 3);
        if (r->day < (r->kind == RULE_JULIAN) || r->day > 365) {
            return -1;
        }
    }
    if (**s == '/') {
        (*s)++;
        return parse_hms(s, 167, &r->seconds);
    }
    return 0;
}

static NJ_COLD int
raise_tz(const char *what, PyObject *text)
{
    PyErr_Format(PyExc_ValueError, "%s %R", what, text);
    return -1;
}

static int
set_info(ZoneState *st, Info *info, int utcoff, int dstoff, PyObject *name)
{
    PyObject **target[] = {&info->utcoff, &info->dstoff};
    const int seconds[] = {utcoff, dstoff};
    info->seconds = utcoff;
    info->tzname = Py_NewRef(name);
    for (int i = 0; i < 2; i++) {
        NJ_OWN key = PyLong_FromLong(seconds[i]);
        if (key == NULL || PyDict_GetItemRef(st->deltas, key, target[i]) < 0) {
            return -1;
        }
        if (*target[i]) {
            continue;
        }
        *target[i] =
            st->api->Delta_FromDelta(0, seconds[i], 0, 1, st->api->DeltaType);
        if (PyDict_GET_SIZE(st->deltas) >= DELTAS_SIZE) {
            PyDict_Clear(st->deltas);
        }
        if (*target[i] == NULL || PyDict_SetItem(st->deltas, key, *target[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
parse_tz(ZoneState *st, PyObject *text, After *a)
{
    const char *s = PyBytes_AS_STRING(text);
    NJ_OWN std = NULL;
    NJ_OWN dst = NULL;
    int std_offset, dst_offset;
    int r = parse_name(&s, &std);
    if (r <= 0) {
        return r < 0 ? -1 : raise_tz("Invalid STD format in", text);
    }
    if (parse_hms(&s, 24, &std_offset) < 0) {
        return raise_tz("Invalid STD offset in", text);
    }
    std_offset = -std_offset; /* +5 is west of Greenwich */
    if (set_info(st, &a->std, std_offset, 0, std) < 0) {
        return -1;
    }
    if (*s == '\0') {
        return 0;
    }
    r = parse_name(&s, &dst);
    if (r <= 0) {
        return r < 0 ? -1 : raise_tz("Invalid DST format in", text);
    }
    dst_offset = std_offset + 3600;
    if (*s != ',') {
        if (parse_hms(&s, 24, &dst_offset) < 0) {
            return raise_tz("Invalid DST offset in", text);
        }
        dst_offset = -dst_offset;
    }
    a->difference = dst_offset - std_offset;
    Rule *rules[] = {&a->start, &a->end};
    for (int i = 0; i < 2; i++) {
        if (*s != ',') {
            return raise_tz("Missing transition rules in TZ string:", text);
        }
        s++;
        if (parse_rule(&s, rules[i]) < 0) {
            return raise_tz("Malformed transition rule in TZ string:", text);
        }
    }
    if (*s != '\0') {
        return raise_tz("Extraneous characters at end of TZ string:", text);
    }
    a->by_rule = true;
    return set_info(st, &a->dst, dst_offset, a->difference, dst);
}

/* ---- reading a file ------------------------------------------------------------------ */

/* What load_data() returns, in C. */
typedef struct Data {
    Py_ssize_t ninfos, ntransitions;
    Py_ssize_t *index; /* of an info, by transition */
    int *utcoff, *dstoff;
    bool *isdst;
} Data;

static void
free_data(Data *d)
{
    PyMem_Free(d->index);
    PyMem_Free(d->utcoff);
    PyMem_Free(d->dstoff);
    PyMem_Free(d->isdst);
}

/* The difference of a time with dst to standard time is not in the file: it is inferred
 * from the standard times around. */
static void
infer_dstoff(Data *d)
{
    Py_ssize_t left = 0;
    for (Py_ssize_t i = 0; i < d->ninfos; i++) {
        left += d->isdst[i];
    }
    for (Py_ssize_t i = 1; i < d->ntransitions && left; i++) {
        Py_ssize_t here = d->index[i], other = d->index[i - 1];
        if (!d->isdst[here] || d->dstoff[here]) {
            continue;
        }
        int dstoff = 0;
        if (!d->isdst[other]) {
            dstoff = (int)((unsigned)d->utcoff[here] - (unsigned)d->utcoff[other]);
        }
        if (!dstoff && here < d->ninfos - 1 && i + 1 < d->ntransitions) {
            other = d->index[i + 1];
            if (d->isdst[other]) {
                continue; /* perhaps another transition tells */
            }
            dstoff = (int)((unsigned)d->utcoff[here] - (unsigned)d->utcoff[other]);
        }
        if (dstoff) {
            d->dstoff[here] = dstoff;
            left--;
        }
    }
    for (Py_ssize_t i = 0; i < d->ninfos && left; i++) {
        if (d->isdst[i] && !d->dstoff[i]) {
            d->dstoff[i] = 3600; /* a better guess than 0 */
        }
    }
}

static inline int64_t
add_wrapping(int64_t a, int b)
{
    return (int64_t)((uint64_t)a + (uint64_t)(int64_t)b);
}

static void
set_local_times(Zone *z, const Data *d)
{
    for (Py_ssize_t i = 0; i < d->ntransitions; i++) {
        int old = d->utcoff[i ? d->index[i - 1] : 0], new = d->utcoff[d->index[i]];
        z->local[0][i] = add_wrapping(z->utc[i], old > new ? old : new);
        z->local[1][i] = add_wrapping(z->utc[i], old > new ? new : old);
    }
}

static NJ_COLD int
raise_data(void)
{
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "Invalid time zone data");
    }
    return -1;
}

/* An item of a tuple as a number within bounds. */
static int
number_at(PyObject *tuple, Py_ssize_t i, long long min, long long max, long long *out)
{
    *out = PyLong_AsLongLong(PyTuple_GET_ITEM(tuple, i));
    return (*out == -1 && PyErr_Occurred()) || *out < min || *out > max ? raise_data() : 0;
}

static bool
is_tuple_of(PyObject *op, Py_ssize_t n)
{
    return PyTuple_Check(op) && PyTuple_GET_SIZE(op) == n;
}

#define NEW_ARRAY(p, n) ((p) = PyMem_Calloc((size_t)(n) + 1, sizeof *(p)))

static int
convert_transitions(Zone *z, Data *d, PyObject *index, PyObject *times)
{
    long long v;
    Py_ssize_t n = d->ntransitions;
    if (!NEW_ARRAY(d->index, n) || !NEW_ARRAY(z->utc, n) || !NEW_ARRAY(z->local[0], n) ||
        !NEW_ARRAY(z->local[1], n) || !NEW_ARRAY(z->transitions, n)) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (number_at(index, i, 0, d->ninfos - 1, &v) < 0) {
            return -1;
        }
        d->index[i] = (Py_ssize_t)v;
        if (number_at(times, i, INT64_MIN, INT64_MAX, &v) < 0) {
            return -1;
        }
        z->utc[i] = v;
    }
    return 0;
}

static int
convert_infos(ZoneState *st, Zone *z, Data *d, PyObject *utcoff, PyObject *isdst,
              PyObject *names)
{
    long long v;
    if (!NEW_ARRAY(d->utcoff, d->ninfos) || !NEW_ARRAY(d->dstoff, d->ninfos) ||
        !NEW_ARRAY(d->isdst, d->ninfos) || !NEW_ARRAY(z->infos, d->ninfos)) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < d->ninfos; i++) {
        if (number_at(utcoff, i, INT32_MIN, INT32_MAX, &v) < 0) {
            return -1;
        }
        d->utcoff[i] = (int)v;
        int truth = PyObject_IsTrue(PyTuple_GET_ITEM(isdst, i));
        if (truth < 0) {
            return -1;
        }
        d->isdst[i] = truth;
    }
    infer_dstoff(d);
    z->ninfos = d->ninfos;
    for (Py_ssize_t i = 0; i < d->ninfos; i++) {
        if (set_info(st, &z->infos[i], d->utcoff[i], d->dstoff[i],
                     PyTuple_GET_ITEM(names, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

static void
copy_info(Info *to, const Info *from)
{
    to->utcoff = Py_NewRef(from->utcoff);
    to->dstoff = Py_NewRef(from->dstoff);
    to->tzname = Py_NewRef(from->tzname);
    to->seconds = from->seconds;
}

static int
set_after(ZoneState *st, Zone *z, PyObject *tz)
{
    if (tz != Py_None && !PyBytes_Check(tz)) {
        return raise_data();
    }
    if (tz != Py_None && PyBytes_GET_SIZE(tz) > 0) {
        return parse_tz(st, tz, &z->after);
    }
    if (z->ninfos == 0) {
        PyErr_SetString(PyExc_ValueError, "No time zone information found.");
        return -1;
    }
    copy_info(&z->after.std, z->ntransitions ? z->transitions[z->ntransitions - 1]
                                             : &z->infos[z->ninfos - 1]);
    return 0;
}

/* Whether the same holds at every time, as far as the infos tell. */
static int
is_fixed(const Zone *z)
{
    if (z->ninfos > 1 || z->after.by_rule) {
        return 0;
    }
    if (z->ninfos == 0) {
        return 1;
    }
    const Info *a = &z->infos[0], *b = &z->after.std;
    int r = PyObject_RichCompareBool(a->utcoff, b->utcoff, Py_EQ);
    r = r > 0 ? PyObject_RichCompareBool(a->dstoff, b->dstoff, Py_EQ) : r;
    return r > 0 ? PyObject_RichCompareBool(a->tzname, b->tzname, Py_EQ) : r;
}

static int
set_data(ZoneState *st, Zone *z, Data *d, PyObject *data)
{
    if (!is_tuple_of(data, 6)) {
        return raise_data();
    }
    PyObject *part[6];
    for (int i = 0; i < 6; i++) {
        part[i] = PyTuple_GET_ITEM(data, i);
        if (i < 5 && !PyTuple_Check(part[i])) {
            return raise_data();
        }
    }
    d->ntransitions = PyTuple_GET_SIZE(part[0]);
    d->ninfos = PyTuple_GET_SIZE(part[2]);
    if (!is_tuple_of(part[1], d->ntransitions) || !is_tuple_of(part[3], d->ninfos) ||
        !is_tuple_of(part[4], d->ninfos)) {
        return raise_data();
    }
    if (convert_transitions(z, d, part[0], part[1]) < 0 ||
        convert_infos(st, z, d, part[2], part[3], part[4]) < 0) {
        return -1;
    }
    set_local_times(z, d);
    for (Py_ssize_t i = 0; i < d->ntransitions; i++) {
        z->transitions[i] = &z->infos[d->index[i]];
    }
    z->ntransitions = d->ntransitions;
    /* before the first transition: the first standard time, if there is one */
    z->before = z->infos;
    for (Py_ssize_t i = d->ninfos - 1; i >= 0; i--) {
        z->before = d->isdst[i] ? z->before : &z->infos[i];
    }
    if (set_after(st, z, part[5]) < 0) {
        return -1;
    }
    int fixed = is_fixed(z);
    z->fixed = fixed > 0;
    return fixed < 0 ? -1 : 0;
}

static int
load_file(ZoneState *st, Zone *z, PyObject *file)
{
    Data d = {0};
    NJ_OWN data = PyObject_CallOneArg(st->load_data, file);
    int r = data ? set_data(st, z, &d, data) : -1;
    free_data(&d);
    return r;
}

/* ---- instances ----------------------------------------------------------------------- */

static Zone *
alloc_zone(PyTypeObject *type, PyObject *key, enum Source source)
{
    Zone *z = ZONE(type->tp_alloc(type, 0));
    if (z) {
        z->key = Py_NewRef(key);
        z->source = source;
    }
    return z;
}

static PyObject *
open_key(ZoneState *st, PyObject *key)
{
    NJ_OWN path = PyObject_CallOneArg(st->find_tzfile, key);
    if (path == NULL) {
        return NULL;
    }
    return path == Py_None ? PyObject_CallOneArg(st->load_tzdata, key)
                           : PyObject_CallFunction(st->open, "Os", path, "rb");
}

/* A new instance of the zone that key names. */
static PyObject *
new_zone(ZoneState *st, PyTypeObject *type, PyObject *key, enum Source source)
{
    NJ_OWN file = open_key(st, key);
    NJ_OWN z = file ? (PyObject *)alloc_zone(type, key, source) : NULL;
    if (file == NULL) {
        return NULL;
    }
    int r = z ? load_file(st, ZONE(z), file) : -1;
    PyObject *failure = r < 0 ? PyErr_GetRaisedException() : NULL;
    NJ_OWN closed = PyObject_CallMethod(file, "close", NULL);
    if (failure) {
        if (closed == NULL) {
            PyErr_Clear();
        }
        PyErr_SetRaisedException(failure);
        return NULL;
    }
    return closed ? NJ_TAKE(z) : NULL;
}

static void
drop_info(Info *info)
{
    Py_CLEAR(info->utcoff);
    Py_CLEAR(info->dstoff);
    Py_CLEAR(info->tzname);
}

/* Offsets and names are kept: methods may run during a collection, and none of the
 * values of exact types makes a cycle. */
static int
zone_clear(PyObject *op)
{
    Py_CLEAR(ZONE(op)->key);
    Py_CLEAR(ZONE(op)->file_repr);
    return 0;
}

static int
zone_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(ZONE(op)->key);
    Py_VISIT(ZONE(op)->file_repr);
    return 0;
}

static void
zone_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    Zone *z = ZONE(op);
    PyObject_GC_UnTrack(op);
    if (z->weakrefs) {
        PyObject_ClearWeakRefs(op);
    }
    (void)zone_clear(op);
    for (Py_ssize_t i = 0; i < z->ninfos; i++) {
        drop_info(&z->infos[i]);
    }
    drop_info(&z->after.std);
    drop_info(&z->after.dst);
    PyMem_Free(z->infos);
    PyMem_Free(z->utc);
    PyMem_Free(z->local[0]);
    PyMem_Free(z->local[1]);
    PyMem_Free(z->transitions);
    tp->tp_free(op);
    Py_DECREF(tp);
}

/* ---- caches -------------------------------------------------------------------------- */

/* The weak cache of a class. */
static PyObject *
weak_cache_of(ZoneState *st, PyTypeObject *type)
{
    return type == st->zone_type ? Py_NewRef(st->weak_cache)
                                 : PyObject_GetAttrString((PyObject *)type, "_weak_cache");
}

/* Moves an entry of the strong cache to its front. */
static void
move_to_front(ZoneState *st, int i)
{
    PyObject *key = st->strong[i].key, *zone = st->strong[i].zone;
    memmove(&st->strong[1], &st->strong[0], (size_t)i * sizeof st->strong[0]);
    st->strong[0].key = key;
    st->strong[0].zone = zone;
}

/* Looks for a key in the strong cache, without running any code: borrowed or NULL. */
static PyObject *
strong_zone(ZoneState *st, PyObject *key)
{
    bool text = PyUnicode_CheckExact(key);
    for (int i = 0; i < st->nstrong; i++) {
        PyObject *k = st->strong[i].key;
        if (k == key ||
            (text && PyUnicode_CheckExact(k) && PyUnicode_Compare(k, key) == 0)) {
            move_to_front(st, i);
            return st->strong[0].zone;
        }
    }
    return NULL;
}

/* Drops an entry of the strong cache. */
static void
drop_strong(ZoneState *st, int i)
{
    NJ_OWN key = st->strong[i].key;
    NJ_OWN zone = st->strong[i].zone;
    st->nstrong--;
    memmove(&st->strong[i], &st->strong[i + 1],
            (size_t)(st->nstrong - i) * sizeof st->strong[0]);
}

static void
clear_strong(ZoneState *st)
{
    while (st->nstrong > 0) {
        drop_strong(st, st->nstrong - 1);
    }
}

/* Makes zone the latest used of the strong cache. */
static void
use_strong(ZoneState *st, PyObject *key, PyObject *zone)
{
    for (int i = 0; i < st->nstrong; i++) {
        if (st->strong[i].zone == zone) {
            move_to_front(st, i);
            return;
        }
    }
    if (st->nstrong == STRONG_SIZE) {
        drop_strong(st, STRONG_SIZE - 1);
    }
    st->strong[st->nstrong].key = Py_NewRef(key);
    st->strong[st->nstrong].zone = Py_NewRef(zone);
    move_to_front(st, st->nstrong++);
}

/* Drops what the strong cache has for key. */
static int
forget_strong(ZoneState *st, PyObject *key)
{
    for (int i = 0; i < st->nstrong; i++) {
        NJ_OWN k = Py_NewRef(st->strong[i].key);
        int r = PyObject_RichCompareBool(k, key, Py_EQ);
        if (r < 0) {
            return -1;
        }
        /* the comparison may have run code: the entry is another one then */
        if (r && i < st->nstrong && st->strong[i].key == k) {
            drop_strong(st, i);
            return 0;
        }
    }
    return 0;
}

/* An object of a cache, which has to be an instance of type. */
static int
check_cached(PyTypeObject *type, PyObject *key, PyObject *zone)
{
    if (PyObject_TypeCheck(zone, type)) {
        return 0;
    }
    PyErr_Format(PyExc_RuntimeError,
                 "Unexpected instance of %s in %s weak cache for key %R",
                 Py_TYPE(zone)->tp_name, type->tp_name, key);
    return -1;
}

static PyObject *
cached_zone(ZoneState *st, PyTypeObject *type, PyObject *key)
{
    NJ_OWN zone = NULL;
    bool own = type == st->zone_type; /* only that has a strong cache */
    if (own) {
        zone = Py_XNewRef(strong_zone(st, key));
        if (zone) {
            return NJ_TAKE(zone);
        }
    }
    NJ_OWN cache = weak_cache_of(st, type);
    if (cache == NULL) {
        return NULL;
    }
    NJ_SET(zone, PyObject_CallMethod(cache, "get", "OO", key, Py_None));
    if (zone == Py_None) {
        NJ_SET(zone, new_zone(st, type, key, FROM_CACHE));
        if (zone) {
            NJ_SET(zone, PyObject_CallMethod(cache, "setdefault", "OO", key, zone));
        }
    }
    if (zone == NULL || check_cached(type, key, zone) < 0) {
        return NULL;
    }
    if (own) {
        use_strong(st, key, zone);
    }
    return NJ_TAKE(zone);
}

static PyObject *
zone_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"key", NULL};
    PyObject *key;
    return PyArg_ParseTupleAndKeywords(args, kwargs, "O:ZoneInfo", names, &key)
               ? cached_zone(zone_state(type), type, key)
               : NULL;
}

static PyObject *
zone_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    PyTypeObject *tp = (PyTypeObject *)type;
    if (nargs == 1 && kwnames == NULL) {
        return cached_zone(zone_state(tp), tp, args[0]);
    }
    NJ_OWN tuple = NULL;
    NJ_OWN dict = NULL;
    return pack_arguments(args, nargs, kwnames, &tuple, &dict) < 0
               ? NULL
               : zone_new(tp, tuple, dict);
}

static PyObject *
zone_init_subclass(PyObject *type, PyObject *args, PyObject *kwargs)
{
    ZoneState *st = zone_state((PyTypeObject *)type);
    NJ_OWN cache = PyObject_CallNoArgs(st->weak_dict);
    return cache && PyObject_SetAttrString(type, "_weak_cache", cache) == 0
               ? Py_NewRef(Py_None)
               : NULL;
}

static PyObject *
zone_clear_cache(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"only_keys", NULL};
    PyObject *only = Py_None, *key;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:clear_cache", names, &only)) {
        return NULL;
    }
    ZoneState *st = zone_state((PyTypeObject *)type);
    bool own = type == (PyObject *)st->zone_type;
    NJ_OWN cache = weak_cache_of(st, (PyTypeObject *)type);
    if (cache == NULL) {
        return NULL;
    }
    if (only == Py_None) {
        NJ_OWN r = PyObject_CallMethod(cache, "clear", NULL);
        if (r && own) {
            clear_strong(st);
        }
        return r ? Py_NewRef(Py_None) : NULL;
    }
    NJ_OWN iterator = PyObject_GetIter(only);
    if (iterator == NULL) {
        return NULL;
    }
    while ((key = PyIter_Next(iterator)) != NULL) {
        NJ_OWN held = key;
        if (own && forget_strong(st, held) < 0) {
            return NULL;
        }
        NJ_OWN r = PyObject_CallMethod(cache, "pop", "OO", held, Py_None);
        if (r == NULL) {
            return NULL;
        }
    }
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

/* ---- other class methods ------------------------------------------------------------- */

static PyObject *
zone_no_cache(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"key", NULL};
    PyObject *key;
    return PyArg_ParseTupleAndKeywords(args, kwargs, "O:no_cache", names, &key)
               ? new_zone(zone_state((PyTypeObject *)type), (PyTypeObject *)type, key,
                          NO_CACHE)
               : NULL;
}

static PyObject *
zone_from_file(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "key", NULL};
    PyObject *file, *key = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:from_file", names, &file, &key)) {
        return NULL;
    }
    NJ_OWN z = (PyObject *)alloc_zone((PyTypeObject *)type, key, FROM_FILE);
    if (z == NULL || load_file(zone_state((PyTypeObject *)type), ZONE(z), file) < 0) {
        return NULL;
    }
    ZONE(z)->file_repr = PyObject_Repr(file);
    return ZONE(z)->file_repr ? NJ_TAKE(z) : NULL;
}

static PyObject *
zone_unpickle(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "", NULL};
    PyObject *key;
    unsigned char from_cache;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OB:_unpickle", names, &key,
                                     &from_cache)) {
        return NULL;
    }
    if (from_cache) {
        return PyObject_CallOneArg(type, key);
    }
    return new_zone(zone_state((PyTypeObject *)type), (PyTypeObject *)type, key, NO_CACHE);
}

/* ---- text and pickles ---------------------------------------------------------------- */

static PyObject *
zone_repr(PyObject *op)
{
    const char *name = Py_TYPE(op)->tp_name;
    if (ZONE(op)->key == Py_None) {
        return PyUnicode_FromFormat("%s.from_file(%U)", name, ZONE(op)->file_repr);
    }
    return PyUnicode_FromFormat("%s(key=%R)", name, ZONE(op)->key);
}

static PyObject *
zone_str(PyObject *op)
{
    return ZONE(op)->key == Py_None ? zone_repr(op) : Py_NewRef(ZONE(op)->key);
}

static PyObject *
zone_reduce(PyObject *op, PyObject *unused)
{
    if (ZONE(op)->source == FROM_FILE) {
        NJ_OWN error = PyImport_ImportModuleAttrString("pickle", "PicklingError");
        if (error) {
            PyErr_SetString(error, "Cannot pickle a ZoneInfo file from a file stream.");
        }
        return NULL;
    }
    NJ_OWN unpickle = PyObject_GetAttrString((PyObject *)Py_TYPE(op), "_unpickle");
    return unpickle ? Py_BuildValue("O(Oi)", unpickle, ZONE(op)->key,
                                    ZONE(op)->source == FROM_CACHE)
                    : NULL;
}

/* ---- the class ----------------------------------------------------------------------- */

#define CLASS_METHOD(name, signature, doc)                                             \
    {#name, _PyCFunction_CAST(zone_##name), METH_VARARGS | METH_KEYWORDS | METH_CLASS, \
     #name signature "\n--\n\n" doc}
#define TIME_METHOD(name, doc)                                                         \
    {#name, _PyCFunction_CAST(zone_##name), METH_FASTCALL | METH_KEYWORDS,             \
     #name "($self, dt, /)\n--\n\n" doc}

static PyMethodDef zone_methods[] = {
    CLASS_METHOD(clear_cache, "($type, /, *, only_keys=None)",
                 "Forget the cached zones, or those of the keys given."),
    CLASS_METHOD(no_cache, "($type, /, key)",
                 "A new instance: the cache is neither asked nor changed."),
    CLASS_METHOD(from_file, "($type, file_obj, /, key=None)",
                 "A zone read from a file object in the TZif format."),
    TIME_METHOD(utcoffset, "The offset from UTC at dt, a timedelta."),
    TIME_METHOD(dst, "By how much daylight saving time shifts the clock at dt."),
    TIME_METHOD(tzname, "The abbreviated name of the time in force at dt."),
    {"fromutc", zone_fromutc, METH_O,
     "fromutc($self, object, /)\n--\n\nThe local time of a datetime in UTC."},
    {"__reduce__", zone_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nHow to make this zone again, for pickle."},
    {"_unpickle", _PyCFunction_CAST(zone_unpickle),
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "_unpickle($type, key, from_cache, /)\n--\n\nWhat pickles call."},
    {"__init_subclass__", _PyCFunction_CAST(zone_init_subclass),
     METH_VARARGS | METH_KEYWORDS | METH_CLASS, "Gives a subclass a cache of its own."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef zone_members[] = {
    {"key", Py_T_OBJECT_EX, offsetof(Zone, key), Py_READONLY, NULL},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Zone, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot zone_slots[] = {
    {Py_tp_new, zone_new},
    {Py_tp_vectorcall, zone_vectorcall},
    {Py_tp_dealloc, zone_dealloc},
    {Py_tp_traverse, zone_traverse},
    {Py_tp_clear, zone_clear},
    {Py_tp_repr, zone_repr},
    {Py_tp_str, zone_str},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_methods, zone_methods},
    {Py_tp_members, zone_members},
    {0, NULL},
};

static PyType_Spec zone_spec = {
    .name = "zoneinfo.ZoneInfo",
    .basicsize = sizeof(Zone),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = zone_slots,
};

/* ---- module -------------------------------------------------------------------------- */

static int
zoneinfo_exec(PyObject *m)
{
    ZoneState *st = PyModule_GetState(m);
    st->api = PyCapsule_Import(PyDateTime_CAPSULE_NAME, 0);
    if (st->api == NULL) {
        return -1;
    }
    st->zone_type = (PyTypeObject *)PyType_FromModuleAndSpec(
        m, &zone_spec, (PyObject *)st->api->TZInfoType);
    if (st->zone_type == NULL || PyModule_AddType(m, st->zone_type) < 0) {
        return -1;
    }
    const struct {
        const char *module, *name;
        PyObject **target;
    } imports[] = {
        {"zoneinfo._tzpath", "find_tzfile", &st->find_tzfile},
        {"zoneinfo._common", "load_data", &st->load_data},
        {"zoneinfo._common", "load_tzdata", &st->load_tzdata},
        {"io", "open", &st->open},
        {"weakref", "WeakValueDictionary", &st->weak_dict},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(imports); i++) {
        *imports[i].target =
            PyImport_ImportModuleAttrString(imports[i].module, imports[i].name);
        if (*imports[i].target == NULL) {
            return -1;
        }
    }
    st->weak_cache = PyObject_CallNoArgs(st->weak_dict);
    st->deltas = PyDict_New();
    return st->weak_cache && st->deltas ? 0 : -1;
}

#define EACH_OBJECT(st, DO)                                                            \
    do {                                                                               \
        DO((st)->zone_type);                                                           \
        DO((st)->weak_cache);                                                          \
        DO((st)->deltas);                                                              \
        DO((st)->find_tzfile);                                                         \
        DO((st)->load_data);                                                           \
        DO((st)->load_tzdata);                                                         \
        DO((st)->open);                                                                \
        DO((st)->weak_dict);                                                           \
        for (int i_ = 0; i_ < (st)->nstrong; i_++) {                                   \
            DO((st)->strong[i_].key);                                                  \
            DO((st)->strong[i_].zone);                                                 \
        }                                                                              \
    } while (0)

static int
zoneinfo_traverse(PyObject *m, visitproc visit, void *arg)
{
    ZoneState *st = PyModule_GetState(m);
    EACH_OBJECT(st, Py_VISIT);
    return 0;
}

static int
zoneinfo_clear(PyObject *m)
{
    ZoneState *st = PyModule_GetState(m);
    clear_strong(st);
    EACH_OBJECT(st, Py_CLEAR);
    return 0;
}

static void
zoneinfo_free(void *m)
{
    (void)zoneinfo_clear(m);
}

static PyModuleDef_Slot zoneinfo_slots[] = {
    {Py_mod_exec, zoneinfo_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef zoneinfo_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_zoneinfo",
    .m_doc = "Time zones of the IANA database.",
    .m_size = sizeof(ZoneState),
    .m_slots = zoneinfo_slots,
    .m_traverse = zoneinfo_traverse,
    .m_clear = zoneinfo_clear,
    .m_free = zoneinfo_free,
};

PyMODINIT_FUNC
PyInit__zoneinfo(void)
{
    return PyModuleDef_Init(&zoneinfo_module);
}

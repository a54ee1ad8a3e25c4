/* datetime.c - datetime.datetime.
 * SPDX-License-Identifier: MIT
 */
#include "datetime_int.h"

#include <time.h>

#include "capi/args.h"

/* ---- construction -------------------------------------------------------------------- */

static PyObject *
alloc_datetime(PyTypeObject *type, PyObject *tz)
{
    bool aware = tz != Py_None;
    DateTime *d;
    if (type == &NjDateTime_Type) {
        d = PyObject_Malloc(aware ? sizeof(DateTime) : sizeof(_PyDateTime_BaseDateTime));
        if (d == NULL) {
            return PyErr_NoMemory();
        }
        PyObject_Init((PyObject *)d, type);
    }
    else {
        d = DATETIME(type->tp_alloc(type, aware));
        if (d == NULL) {
            return NULL;
        }
    }
    d->hashcode = -1;
    d->hastzinfo = aware;
    if (aware) {
        d->tzinfo = Py_NewRef(tz);
    }
    return (PyObject *)d;
}

static PyObject *
datetime_alloc(PyTypeObject *type, Py_ssize_t aware)
{
    size_t n = type->tp_basicsize > (Py_ssize_t)sizeof(DateTime)
                   ? (size_t)type->tp_basicsize
               : aware ? sizeof(DateTime)
                       : sizeof(_PyDateTime_BaseDateTime);
    PyObject *op = PyObject_Malloc(n);
    if (op == NULL) {
        return PyErr_NoMemory();
    }
    memset(op, 0, n);
    return PyObject_Init(op, type);
}

PyObject *
nj_new_datetime(const Fields *f, PyObject *tz, PyTypeObject *type)
{
    if (nj_check_date(f) < 0 || nj_check_time(f) < 0 || nj_check_tzinfo(tz) < 0) {
        return NULL;
    }
    DateTime *d = DATETIME(alloc_datetime(type, tz));
    if (d) {
        d->data[0] = (unsigned char)(f->year >> 8);
        d->data[1] = (unsigned char)f->year;
        d->data[2] = (unsigned char)f->month;
        d->data[3] = (unsigned char)f->day;
        d->data[4] = (unsigned char)f->hour;
        d->data[5] = (unsigned char)f->minute;
        d->data[6] = (unsigned char)f->second;
        d->data[7] = (unsigned char)(f->us >> 16);
        d->data[8] = (unsigned char)(f->us >> 8);
        d->data[9] = (unsigned char)f->us;
        d->fold = (unsigned char)f->fold;
    }
    return (PyObject *)d;
}

PyObject *
nj_make_datetime(const Fields *f, PyObject *tz, PyObject *cls)
{
    if (cls == (PyObject *)&NjDateTime_Type) {
        return nj_new_datetime(f, tz, &NjDateTime_Type);
    }
    PyObject *d = PyObject_CallFunction(cls, "iiiiiiiO", f->year, f->month, f->day, f->hour,
                                        f->minute, f->second, f->us, tz);
    if (d && f->fold && IS_DATETIME(d)) {
        DATETIME(d)->fold = (unsigned char)f->fold;
    }
    return d;
}

static PyObject *
datetime_from_pickle(PyTypeObject *type, PyObject *state, PyObject *tz)
{
    if (tz != Py_None && !IS_TZINFO(tz)) {
        PyErr_SetString(PyExc_TypeError, "bad tzinfo state arg");
        return NULL;
    }
    DateTime *d = DATETIME(alloc_datetime(type, tz));
    if (d) {
        memcpy(d->data, PyBytes_AS_STRING(state), _PyDateTime_DATETIME_DATASIZE);
        d->fold = d->data[2] >> 7;
        d->data[2] &= 0x7f;
    }
    return (PyObject *)d;
}

static PyObject *
datetime_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"year",   "month",       "day",    "hour", "minute",
                               "second", "microsecond", "tzinfo", "fold", NULL};
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject *tz = Py_None;
    if (n == 1 || n == 2) {
        NJ_OWN state = NULL;
        int r = nj_pickle_state(PyTuple_GET_ITEM(args, 0), _PyDateTime_DATETIME_DATASIZE, 2,
                                "datetime", &state);
        if (r != 0) {
            return r < 0 ? NULL
                         : datetime_from_pickle(
                               type, state, n == 2 ? PyTuple_GET_ITEM(args, 1) : Py_None);
        }
    }
    Fields f = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iii|iiiiO$i", keywords, &f.year,
                                     &f.month, &f.day, &f.hour, &f.minute, &f.second, &f.us,
                                     &tz, &f.fold)) {
        return NULL;
    }
    return nj_new_datetime(&f, tz, type);
}

static PyObject *
datetime_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    PyObject *tz = Py_None;
    bool tz_only = kwnames && n >= 3 && n <= 7 && PyTuple_GET_SIZE(kwnames) == 1 &&
                   PyTuple_GET_ITEM(kwnames, 0) == NJ_ID(tzinfo);
    if (tz_only) {
        tz = args[n];
    }
    if (n >= 3 && n <= 8 && (kwnames == NULL || tz_only)) {
        int v[7] = {0};
        Py_ssize_t i = 0;
        while (i < n && i < 7 && small_int(args[i], &v[i])) {
            i++;
        }
        if (i == n || i == 7) {
            Fields f = {v[0], v[1], v[2], v[3], v[4], v[5], v[6], 0};
            return nj_new_datetime(&f, n == 8 ? args[7] : tz, (PyTypeObject *)type);
        }
    }
    return nj_new_by_tuple((PyTypeObject *)type, args, n, kwnames);
}

static void
datetime_dealloc(PyObject *op)
{
    if (DATETIME(op)->hastzinfo) {
        Py_XDECREF(DATETIME(op)->tzinfo);
    }
    Py_TYPE(op)->tp_free(op);
}

/* ---- timestamps ---------------------------------------------------------------------- */

enum { MAX_FOLD_SECONDS = 24 * 3600 };

/* Local time that was already passed through before the clocks went back: 1. */
static int
find_fold(int64_t t, const Fields *f, int *fold)
{
    *fold = 0;
    int64_t here = nj_fields_to_seconds(f), probe;
    if (t - MAX_FOLD_SECONDS < -EPOCH_SECONDS) {
        return 0;
    }
    if (nj_local_seconds(t - MAX_FOLD_SECONDS, &probe) < 0) {
        return -1;
    }
    int64_t transition = here - probe - MAX_FOLD_SECONDS;
    if (transition < 0) {
        if (nj_local_seconds(t + transition, &probe) < 0) {
            return -1;
        }
        *fold = probe == here;
    }
    return 0;
}

static PyObject *
from_seconds(PyObject *cls, int64_t t, int us, bool utc, PyObject *tz)
{
    Fields f;
    if (nj_break_down(t, utc, &f) < 0) {
        return NULL;
    }
    f.us = us;
    if (!utc && tz == Py_None && f.year >= MINYEAR && f.year <= MAXYEAR) {
        int fold;
        if (find_fold(t, &f, &fold) < 0) {
            return NULL;
        }
        f.fold = fold;
    }
    return nj_make_datetime(&f, tz, cls);
}

static PyObject *
call_fromutc(PyObject *tz, PyObject *d)
{
    /* a timezone has neither subclasses nor attributes */
    return Py_IS_TYPE(tz, &NjTimeZone_Type) ? nj_timezone_fromutc(tz, d)
                                            : PyObject_CallMethodOneArg(tz, NJ_ID(fromutc), d);
}

/* tz given: UTC first, then what the tzinfo makes of it. */
static PyObject *
from_seconds_in(PyObject *cls, int64_t t, int us, PyObject *tz)
{
    NJ_OWN d = from_seconds(cls, t, us, tz != Py_None, tz);
    if (d == NULL || tz == Py_None) {
        return NJ_TAKE(d);
    }
    return call_fromutc(tz, d);
}

static PyObject *
datetime_now(PyObject *cls, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"tz", NULL};
    static const NjParams params = {"now", names, 1, 0, 0};
    PyObject *tz = NULL;
    if ((nargs || kwnames) && nj_args_bind(&params, args, nargs, kwnames, &tz) < 0) {
        return NULL;
    }
    tz = tz ? tz : Py_None;
    if (nj_check_tzinfo(tz) < 0) {
        return NULL;
    }
    PyTime_t now;
    if (PyTime_Time(&now) < 0) {
        return NULL;
    }
    int64_t t = now / 1000000000, ns = now % 1000000000;
    if (ns < 0) {
        ns += 1000000000;
        t--;
    }
    return from_seconds_in(cls, t, (int)(ns / 1000), tz);
}

static PyObject *
datetime_utcnow(PyObject *cls, PyObject *unused)
{
    if (PyErr_WarnEx(PyExc_DeprecationWarning,
                     "datetime.datetime.utcnow() is deprecated and scheduled for removal in "
                     "a future version. Use timezone-aware objects to represent datetimes "
                     "in UTC: datetime.datetime.now(datetime.UTC).",
                     1) < 0) {
        return NULL;
    }
    PyTime_t now;
    if (PyTime_Time(&now) < 0) {
        return NULL;
    }
    return from_seconds(cls, now / 1000000000, (int)(now % 1000000000 / 1000), true,
                        Py_None);
}

static PyObject *
from_timestamp(PyObject *cls, PyObject *timestamp, PyObject *tz)
{
    if (nj_check_tzinfo(tz) < 0) {
        return NULL;
    }
    int64_t t;
    int us;
    if (nj_timestamp_us(timestamp, &t, &us) < 0) {
        return NULL;
    }
    return from_seconds_in(cls, t, us, tz);
}

static char *fromtimestamp_names[] = {"timestamp", "tz", NULL};

static PyObject *
datetime_fromtimestamp(PyObject *cls, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames)
{
    static const char *const names[] = {"timestamp", "tz", NULL};
    static const NjParams params = {"fromtimestamp", names, 2, 1, 0};
    PyObject *bound[2];
    return nj_args_bind(&params, args, nargs, kwnames, bound) == 0
               ? from_timestamp(cls, bound[0], bound[1] ? bound[1] : Py_None)
               : NULL;
}

PyObject *
nj_datetime_fromtimestamp_api(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    PyObject *timestamp, *tz = Py_None;
    return PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:fromtimestamp",
                                       fromtimestamp_names, &timestamp, &tz)
               ? from_timestamp(cls, timestamp, tz)
               : NULL;
}

static PyObject *
datetime_utcfromtimestamp(PyObject *cls, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *timestamp;
    int64_t t;
    int us;
    if (PyErr_WarnEx(PyExc_DeprecationWarning,
                     "datetime.datetime.utcfromtimestamp() is deprecated and scheduled for "
                     "removal in a future version. Use timezone-aware objects to represent "
                     "datetimes in UTC: datetime.datetime.fromtimestamp(timestamp, "
                     "datetime.UTC).",
                     1) < 0 ||
        !_PyArg_ParseStack(args, nargs, "O:utcfromtimestamp", &timestamp) ||
        nj_timestamp_us(timestamp, &t, &us) < 0) {
        return NULL;
    }
    return from_seconds(cls, t, us, true, Py_None);
}

/* The POSIX time of local time f, by asking what local time is at two guesses. */
static int
local_to_posix(const Fields *f, int64_t *out)
{
    int64_t t = nj_fields_to_seconds(f) - EPOCH_SECONDS, lt, t1, t2;
    if (nj_local_seconds(t, &lt) < 0) {
        return -1;
    }
    int64_t a = lt - EPOCH_SECONDS - t, u1 = t - a, b;
    if (nj_local_seconds(u1, &t1) < 0) {
        return -1;
    }
    t1 -= EPOCH_SECONDS;
    if (t1 == t) {
        /* one solution; look for another on the other side of a change */
        int64_t u2 = u1 + (f->fold ? MAX_FOLD_SECONDS : -MAX_FOLD_SECONDS);
        if (nj_local_seconds(u2, &lt) < 0) {
            return -1;
        }
        b = lt - EPOCH_SECONDS - u2;
        if (a == b) {
            *out = u1;
            return 0;
        }
    }
    else {
        b = t1 - u1;
    }
    int64_t u2 = t - b;
    if (nj_local_seconds(u2, &t2) < 0) {
        return -1;
    }
    t2 -= EPOCH_SECONDS;
    *out = t2 == t                    ? u2
           : t1 == t                  ? u1
           : (u1 < u2) == !f->fold    ? u2
                                      : u1;
    return 0;
}

static int64_t
us_since_epoch(PyObject *op)
{
    Fields f = datetime_fields(op);
    return (nj_fields_to_seconds(&f) - EPOCH_SECONDS) * US_PER_SECOND + f.us;
}

static PyObject *
datetime_timestamp(PyObject *op, PyObject *unused)
{
    Fields f = datetime_fields(op);
    if (TZINFO(op) == Py_None) {
        int64_t t;
        return local_to_posix(&f, &t) < 0 ? NULL
                                          : PyFloat_FromDouble((double)t + f.us / 1e6);
    }
    NJ_OWN offset = nj_call_utcoffset(TZINFO(op), op);
    if (offset == NULL) {
        return NULL;
    }
    if (offset == Py_None) {
        PyErr_SetString(PyExc_TypeError,
                        "can't subtract offset-naive and offset-aware datetimes");
        return NULL;
    }
    __int128 us = us_since_epoch(op) - delta_us(offset);
    const __int128 exact = (__int128)1 << 53;
    if (us < exact && us > -exact) {
        return PyFloat_FromDouble((double)(int64_t)us / 1e6);
    }
    NJ_OWN delta = nj_delta_from_us(us);
    return delta ? PyObject_CallMethodNoArgs(delta, NJ_ID(total_seconds)) : NULL;
}

/* ---- time zones ---------------------------------------------------------------------- */

static PyObject *
local_timezone_at(int64_t t)
{
    struct tm tm;
    time_t tt = (time_t)t;
    if (localtime_r(&tt, &tm) == NULL) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    NJ_OWN offset = nj_new_delta(0, (int)tm.tm_gmtoff, 0, true, &NjDelta_Type);
    NJ_OWN name = PyUnicode_DecodeLocale(tm.tm_zone, "surrogateescape");
    return offset && name ? nj_new_timezone(offset, name) : NULL;
}

/* The time zone of naive local time. */
static PyObject *
local_timezone(PyObject *op)
{
    Fields f = datetime_fields(op);
    int64_t t, other;
    if (local_to_posix(&f, &t) < 0) {
        return NULL;
    }
    f.fold = !f.fold;
    if (local_to_posix(&f, &other) < 0) {
        return NULL;
    }
    f.fold = !f.fold;
    if (other != t && (other > t) == f.fold) {
        t = other; /* in a gap: the rules before it for fold 0 */
    }
    return local_timezone_at(t);
}

static PyObject *
datetime_astimezone(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    static char *keywords[] = {"tz", NULL};
    PyObject *arg = Py_None;
    if (!nj_args_parse(args, nargs, kwnames, "|O:astimezone", keywords, &arg) ||
        nj_check_tzinfo(arg) < 0) {
        return NULL;
    }
    NJ_OWN self_tz = Py_NewRef(TZINFO(op));
    if (self_tz == Py_None) {
        NJ_SET(self_tz, local_timezone(op));
        if (self_tz == NULL) {
            return NULL;
        }
    }
    if (self_tz == arg) {
        return Py_NewRef(op);
    }
    NJ_OWN offset = nj_call_utcoffset(self_tz, op);
    if (offset == Py_None) {
        NJ_SET(self_tz, local_timezone(op));
        NJ_SET(offset, self_tz ? nj_call_utcoffset(self_tz, op) : NULL);
    }
    if (offset == NULL) {
        return NULL;
    }
    Fields f = datetime_fields(op);
    const Delta *d = DELTA(offset);
    f.fold = 0;
    if (nj_shift(&f, -d->days, -d->seconds, -d->microseconds) < 0) {
        return NULL;
    }
    NJ_OWN tz = Py_NewRef(arg);
    if (arg == Py_None) {
        NJ_SET(tz, local_timezone_at(nj_fields_to_seconds(&f) - EPOCH_SECONDS));
        if (tz == NULL) {
            return NULL;
        }
    }
    NJ_OWN utc = nj_make_datetime(&f, tz, (PyObject *)Py_TYPE(op));
    if (utc == NULL) {
        return NULL;
    }
    return tz == (PyObject *)&nj_utc ? NJ_TAKE(utc)
                                     : call_fromutc(tz, utc);
}

static PyObject *
datetime_utcoffset(PyObject *op, PyObject *unused)
{
    return nj_call_utcoffset(TZINFO(op), op);
}

static PyObject *
datetime_dst(PyObject *op, PyObject *unused)
{
    return nj_call_dst(TZINFO(op), op);
}

static PyObject *
datetime_tzname(PyObject *op, PyObject *unused)
{
    return nj_call_tzname(TZINFO(op), op);
}

/* ---- class methods ------------------------------------------------------------------- */

static PyObject *
datetime_strptime(PyObject *cls, PyObject *args)
{
    return nj_strptime("_strptime_datetime_datetime", cls, args);
}

static PyObject *
datetime_combine(PyObject *cls, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    static char *keywords[] = {"date", "time", "tzinfo", NULL};
    PyObject *date, *time, *tz = NULL;
    if (!nj_args_parse(args, nargs, kwnames, "O!O!|O:combine", keywords, &NjDate_Type,
                                     &date, &NjTime_Type, &time, &tz)) {
        return NULL;
    }
    Fields d = date_fields(date), f = time_fields(time);
    f.year = d.year;
    f.month = d.month;
    f.day = d.day;
    return nj_make_datetime(&f, tz ? tz : TZINFO(time), cls);
}

/* -1: not in the format; -2: an exception is set. */
static int
parse_iso(const char *s, int n, Fields *f, PyObject **tz)
{
    if (n < 7) {
        return -1;
    }
    int at = nj_find_iso_separator(s, n);
    if (at < 0 || at > n || nj_parse_iso_date(s, at, f) < 0) {
        return -1;
    }
    *tz = NULL;
    bool next_day = false;
    if (at < n) {
        int r = nj_parse_iso_time(s + at + 1, n - at - 1, f, &next_day, tz);
        if (r < 0) {
            return r;
        }
    }
    else {
        *tz = Py_NewRef(Py_None);
    }
    /* Only a valid date has a next day; the others fail when the object is made. */
    if (next_day && f->month >= 1 && f->month <= 12 && f->year >= MINYEAR &&
        f->day <= nj_days_in_month(f->year, f->month)) {
        if (++f->day > nj_days_in_month(f->year, f->month)) {
            f->day = 1;
            if (++f->month > 12) {
                f->month = 1;
                f->year++;
            }
        }
    }
    return 0;
}

static PyObject *
datetime_fromisoformat(PyObject *cls, PyObject *text)
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
    Fields f = {0};
    NJ_OWN tz = NULL;
    int r = parse_iso(buf, n, &f, &tz);
    if (r < 0) {
        if (r == -1) {
            PyErr_Format(PyExc_ValueError, "Invalid isoformat string: %R", text);
        }
        return NULL;
    }
    return nj_make_datetime(&f, tz, cls);
}

/* ---- text ---------------------------------------------------------------------------- */

static PyObject *
datetime_repr(PyObject *op)
{
    Fields f = datetime_fields(op);
    NJ_OWN r = PyUnicode_FromFormat("%s(%d, %d, %d, %d, %d", Py_TYPE(op)->tp_name, f.year,
                                    f.month, f.day, f.hour, f.minute);
    if (r && (f.us || f.second)) {
        NJ_SET(r, f.us ? PyUnicode_FromFormat("%U, %d, %d", r, f.second, f.us)
                       : PyUnicode_FromFormat("%U, %d", r, f.second));
    }
    if (r && f.fold) {
        NJ_SET(r, PyUnicode_FromFormat("%U, fold=1", r));
    }
    if (r && TZINFO(op) != Py_None) {
        NJ_SET(r, PyUnicode_FromFormat("%U, tzinfo=%R", r, TZINFO(op)));
    }
    return r ? PyUnicode_FromFormat("%U)", r) : NULL;
}

static PyObject *
format_iso(PyObject *op, Py_UCS4 sep, int spec)
{
    char buf[96];
    Fields f = datetime_fields(op);
    char *at = nj_put_date(buf, &f);
    *at = sep < 128 ? (char)sep : '?';
    char *s = nj_put_time(at + 1, &f, spec);
    if (nj_put_offset(s, ":", TZINFO(op), op) < 0) {
        return NULL;
    }
    if (sep < 128) {
        return PyUnicode_FromStringAndSize(buf, s + strlen(s) - buf);
    }
    return PyUnicode_FromFormat("%.10s%c%s", buf, (int)sep, at + 1);
}

static PyObject *
datetime_isoformat(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"sep", "timespec", NULL};
    static const NjParams params = {"isoformat", names, 2, 0, 0};
    PyObject *a[2] = {NULL, NULL};
    Py_UCS4 sep = 'T';
    int spec = 0;
    if ((nargs || kwnames) && nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    if (a[0]) {
        if (!PyUnicode_Check(a[0])) {
            PyErr_Format(PyExc_TypeError,
                         "isoformat() argument 1 must be a unicode character, not %T", a[0]);
            return NULL;
        }
        if (PyUnicode_GET_LENGTH(a[0]) != 1) {
            PyErr_Format(PyExc_TypeError,
                         "isoformat() argument 1 must be a unicode character, not a string "
                         "of length %zd",
                         PyUnicode_GET_LENGTH(a[0]));
            return NULL;
        }
        sep = PyUnicode_READ_CHAR(a[0], 0);
    }
    if (a[1]) {
        if (!PyUnicode_Check(a[1])) {
            _PyArg_BadArgument("isoformat", "argument 2", "str", a[1]);
            return NULL;
        }
        const char *name = PyUnicode_AsUTF8(a[1]);
        spec = name ? nj_timespec(name) : -1;
        if (spec < 0) {
            return NULL;
        }
    }
    return format_iso(op, sep, spec);
}

static PyObject *
datetime_str(PyObject *op)
{
    if (Py_IS_TYPE(op, &NjDateTime_Type)) {
        return format_iso(op, ' ', 0);
    }
    return PyObject_CallMethod(op, "isoformat", "s", " ");
}

static PyObject *
datetime_ctime(PyObject *op, PyObject *unused)
{
    Fields f = datetime_fields(op);
    return nj_ctime(&f);
}

/* ---- arithmetic and comparison ------------------------------------------------------- */

static PyObject *
shift(PyObject *op, PyObject *delta, int sign)
{
    Fields f = datetime_fields(op);
    const Delta *d = DELTA(delta);
    f.fold = 0;
    if (nj_shift(&f, (int64_t)sign * d->days, sign * d->seconds, sign * d->microseconds) <
        0) {
        return NULL;
    }
    return nj_make_datetime(&f, TZINFO(op), (PyObject *)Py_TYPE(op));
}

static PyObject *
datetime_add(PyObject *a, PyObject *b)
{
    if (IS_DATETIME(a)) {
        if (IS_DELTA(b)) {
            return shift(a, b, 1);
        }
    }
    else if (IS_DELTA(a)) {
        return shift(b, a, 1);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

static PyObject *
raise_mixed(const char *what)
{
    PyErr_Format(PyExc_TypeError, "can't %s offset-naive and offset-aware datetimes", what);
    return NULL;
}

static PyObject *
difference(PyObject *a, PyObject *b)
{
    if (TZINFO(a) == TZINFO(b)) {
        Fields f = datetime_fields(a), g = datetime_fields(b);
        int days = 0;
        if (memcmp(DATETIME(a)->data, DATETIME(b)->data, _PyDateTime_DATE_DATASIZE) != 0) {
            days = nj_ymd_to_ordinal(f.year, f.month, f.day) -
                   nj_ymd_to_ordinal(g.year, g.month, g.day);
        }
        int seconds = seconds_of_day(&f) - seconds_of_day(&g), us = f.us - g.us;
        if (us < 0) {
            us += (int)US_PER_SECOND;
            seconds--;
        }
        if (seconds < 0) {
            seconds += SECONDS_PER_DAY;
            days--;
        }
        return nj_new_delta(days, seconds, us, false, &NjDelta_Type);
    }
    __int128 us = (__int128)us_since_epoch(a) - us_since_epoch(b);
    NJ_OWN x = datetime_utcoffset(a, NULL);
    NJ_OWN y = x ? datetime_utcoffset(b, NULL) : NULL;
    if (y == NULL) {
        return NULL;
    }
    if ((x == Py_None) != (y == Py_None)) {
        return raise_mixed("subtract");
    }
    if (x != Py_None) {
        us -= delta_us(x) - delta_us(y);
    }
    return nj_delta_from_us(us);
}

static PyObject *
datetime_sub(PyObject *a, PyObject *b)
{
    if (IS_DATETIME(a)) {
        if (IS_DATETIME(b)) {
            return difference(a, b);
        }
        if (IS_DELTA(b)) {
            return shift(a, b, -1);
        }
    }
    Py_RETURN_NOTIMPLEMENTED;
}

/* Whether the offset depends on fold: such a datetime equals none of another zone. */
static int
depends_on_fold(PyObject *op, PyObject *offset)
{
    Fields f = datetime_fields(op);
    f.fold = !f.fold;
    NJ_OWN flipped = nj_new_datetime(&f, TZINFO(op), &NjDateTime_Type);
    NJ_OWN other = flipped ? datetime_utcoffset(flipped, NULL) : NULL;
    if (other == NULL) {
        return -1;
    }
    if (other == offset) {
        return 0;
    }
    if (other == Py_None || offset == Py_None) {
        return 1;
    }
    return delta_us(other) != delta_us(offset);
}

static PyObject *
datetime_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!IS_DATETIME(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    bool equality = op == Py_EQ || op == Py_NE;
    if (TZINFO(a) == TZINFO(b)) {
        uint64_t x8, y8; /* the fields are in the order of their weight, big-endian */
        uint16_t x2, y2;
        memcpy(&x8, DATETIME(a)->data, 8);
        memcpy(&y8, DATETIME(b)->data, 8);
        memcpy(&x2, DATETIME(a)->data + 8, 2);
        memcpy(&y2, DATETIME(b)->data + 8, 2);
        if (PY_LITTLE_ENDIAN) {
            x8 = __builtin_bswap64(x8), x2 = __builtin_bswap16(x2);
            y8 = __builtin_bswap64(y8), y2 = __builtin_bswap16(y2);
        }
        if (x8 != y8) {
            Py_RETURN_RICHCOMPARE(x8, y8, op);
        }
        Py_RETURN_RICHCOMPARE(x2, y2, op);
    }
    NJ_OWN x = datetime_utcoffset(a, NULL);
    NJ_OWN y = x ? datetime_utcoffset(b, NULL) : NULL;
    if (y == NULL) {
        return NULL;
    }
    if (equality && !(Py_IS_TYPE(TZINFO(a), &NjTimeZone_Type) &&
                      Py_IS_TYPE(TZINFO(b), &NjTimeZone_Type))) {
        int r = depends_on_fold(a, x);
        if (r == 0) {
            r = depends_on_fold(b, y);
        }
        if (r != 0) {
            return r < 0 ? NULL : PyBool_FromLong(op == Py_NE);
        }
    }
    if ((x == Py_None) != (y == Py_None)) {
        return equality ? PyBool_FromLong(op == Py_NE) : raise_mixed("compare");
    }
    __int128 p = us_since_epoch(a), q = us_since_epoch(b);
    if (x != Py_None) {
        p -= delta_us(x);
        q -= delta_us(y);
    }
    return nj_compare_result((p > q) - (p < q), op);
}

static Py_hash_t
datetime_hash(PyObject *op)
{
    DateTime *d = DATETIME(op);
    if (d->hashcode != -1) {
        return d->hashcode;
    }
    Fields f = datetime_fields(op);
    NJ_OWN plain = NULL; /* fold does not count */
    if (f.fold && d->hastzinfo) {
        f.fold = 0;
        plain = nj_new_datetime(&f, d->tzinfo, &NjDateTime_Type);
        if (plain == NULL) {
            return -1;
        }
    }
    NJ_OWN offset = datetime_utcoffset(plain ? plain : op, NULL);
    if (offset == NULL) {
        return -1;
    }
    if (offset == Py_None) {
        d->hashcode = Py_HashBuffer(d->data, _PyDateTime_DATETIME_DATASIZE);
        return d->hashcode;
    }
    NJ_OWN delta = nj_delta_from_us((__int128)us_since_epoch(op) - delta_us(offset));
    d->hashcode = delta ? PyObject_Hash(delta) : -1;
    return d->hashcode;
}

/* ---- the rest ------------------------------------------------------------------------ */

static PyObject *
datetime_timetuple(PyObject *op, PyObject *unused)
{
    int flag = -1;
    if (TZINFO(op) != Py_None) {
        NJ_OWN dst = datetime_dst(op, NULL);
        if (dst == NULL) {
            return NULL;
        }
        if (dst != Py_None) {
            flag = delta_us(dst) != 0;
        }
    }
    Fields f = datetime_fields(op);
    return nj_struct_time(&f, flag);
}

static PyObject *
datetime_utctimetuple(PyObject *op, PyObject *unused)
{
    Fields f = datetime_fields(op);
    NJ_OWN offset = datetime_utcoffset(op, NULL);
    if (offset == NULL) {
        return NULL;
    }
    if (offset != Py_None) {
        const Delta *d = DELTA(offset);
        if (nj_shift(&f, -d->days, -d->seconds, -d->microseconds) < 0) {
            return NULL;
        }
    }
    return nj_struct_time(&f, 0);
}

static PyObject *
datetime_date(PyObject *op, PyObject *unused)
{
    Fields f = date_fields(op);
    return nj_new_date(&f, &NjDate_Type);
}

static PyObject *
datetime_time(PyObject *op, PyObject *unused)
{
    Fields f = datetime_fields(op);
    return nj_new_time(&f, Py_None, &NjTime_Type);
}

static PyObject *
datetime_timetz(PyObject *op, PyObject *unused)
{
    Fields f = datetime_fields(op);
    return nj_new_time(&f, TZINFO(op), &NjTime_Type);
}

static PyObject *
datetime_replace(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"year",   "month",       "day",    "hour", "minute",
                                        "second", "microsecond", "tzinfo", "fold", NULL};
    static const NjParams params = {"replace", names, 8, 0, 0};
    PyObject *a[9];
    Fields f = datetime_fields(op);
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0 ||
        nj_int_arg(a[0], &f.year) < 0 || nj_int_arg(a[1], &f.month) < 0 ||
        nj_int_arg(a[2], &f.day) < 0 || nj_int_arg(a[3], &f.hour) < 0 ||
        nj_int_arg(a[4], &f.minute) < 0 || nj_int_arg(a[5], &f.second) < 0 ||
        nj_int_arg(a[6], &f.us) < 0 || nj_int_arg(a[8], &f.fold) < 0) {
        return NULL;
    }
    return nj_make_datetime(&f, a[7] ? a[7] : TZINFO(op), (PyObject *)Py_TYPE(op));
}

static PyObject *
get_state(PyObject *op, int proto)
{
    DateTime *d = DATETIME(op);
    char data[_PyDateTime_DATETIME_DATASIZE];
    memcpy(data, d->data, sizeof(data));
    if (proto > 3 && d->fold) {
        data[2] |= (char)0x80;
    }
    PyObject *tz = TZINFO(op);
    return tz == Py_None ? Py_BuildValue("(y#)", data, (Py_ssize_t)sizeof(data))
                         : Py_BuildValue("y#O", data, (Py_ssize_t)sizeof(data), tz);
}

static PyObject *
datetime_reduce_ex(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    int proto;
    if (!_PyArg_ParseStack(args, nargs, "i:__reduce_ex__", &proto)) {
        return NULL;
    }
    NJ_OWN state = get_state(op, proto);
    return state ? Py_BuildValue("OO", Py_TYPE(op), state) : NULL;
}

static PyObject *
datetime_reduce(PyObject *op, PyObject *unused)
{
    NJ_OWN state = get_state(op, 2);
    return state ? Py_BuildValue("OO", Py_TYPE(op), state) : NULL;
}

#define GETTER(name, expr)                                                             \
    static PyObject *datetime_##name(PyObject *op, void *closure)                      \
    {                                                                                  \
        return expr;                                                                   \
    }

GETTER(hour, PyLong_FromLong(PyDateTime_DATE_GET_HOUR(op)))
GETTER(minute, PyLong_FromLong(PyDateTime_DATE_GET_MINUTE(op)))
GETTER(second, PyLong_FromLong(PyDateTime_DATE_GET_SECOND(op)))
GETTER(microsecond, PyLong_FromLong(PyDateTime_DATE_GET_MICROSECOND(op)))
GETTER(tzinfo, Py_NewRef(TZINFO(op)))
GETTER(fold, PyLong_FromLong(PyDateTime_DATE_GET_FOLD(op)))

static PyGetSetDef datetime_getset[] = {
    {"hour", datetime_hour, NULL, NULL, NULL},
    {"minute", datetime_minute, NULL, NULL, NULL},
    {"second", datetime_second, NULL, NULL, NULL},
    {"microsecond", datetime_microsecond, NULL, NULL, NULL},
    {"tzinfo", datetime_tzinfo, NULL, NULL, NULL},
    {"fold", datetime_fold, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define FK (METH_FASTCALL | METH_KEYWORDS)

static PyMethodDef datetime_methods[] = {
    {"now", _PyCFunction_CAST(datetime_now), FK | METH_CLASS,
     "now($type, /, tz=None)\n--\n\n"
     "Returns new datetime object representing current time local to tz.\n\n"
     "  tz\n    Timezone object.\n\n"
     "Without tz the time is local and the object naive."},
    {"utcnow", datetime_utcnow, METH_NOARGS | METH_CLASS,
     "utcnow($type, /)\n--\n\n"
     "Return a new datetime representing UTC day and time."},
    {"fromtimestamp", _PyCFunction_CAST(datetime_fromtimestamp), FK | METH_CLASS,
     "timestamp[, tz] -> tz's local time from POSIX timestamp."},
    {"utcfromtimestamp", (PyCFunction)(void *)datetime_utcfromtimestamp,
     METH_FASTCALL | METH_CLASS,
     "Construct a naive UTC datetime from a POSIX timestamp."},
    {"strptime", datetime_strptime, METH_VARARGS | METH_CLASS,
     "string, format -> new datetime parsed from a string (like time.strptime())."},
    {"combine", (PyCFunction)(void *)datetime_combine, FK | METH_CLASS,
     "date, time -> datetime with same date and time fields"},
    {"fromisoformat", datetime_fromisoformat, METH_O | METH_CLASS,
     "string -> datetime from a string in most ISO 8601 formats"},
    {"date", datetime_date, METH_NOARGS,
     "Return date object with same year, month and day."},
    {"time", datetime_time, METH_NOARGS,
     "Return time object with same time but with tzinfo=None."},
    {"timetz", datetime_timetz, METH_NOARGS,
     "Return time object with same time and tzinfo."},
    {"ctime", datetime_ctime, METH_NOARGS, "Return ctime() style string."},
    {"timetuple", datetime_timetuple, METH_NOARGS,
     "Return time tuple, compatible with time.localtime()."},
    {"timestamp", datetime_timestamp, METH_NOARGS, "Return POSIX timestamp as float."},
    {"utctimetuple", datetime_utctimetuple, METH_NOARGS,
     "Return UTC time tuple, compatible with time.localtime()."},
    {"isoformat", _PyCFunction_CAST(datetime_isoformat), FK,
     "[sep] -> string in ISO 8601 format, "
     "YYYY-MM-DDT[HH[:MM[:SS[.mmm[uuu]]]]][+HH:MM].\n\n"
     "sep is the character between date and time, by default 'T'. The optional\n"
     "argument timespec, by default 'auto', says how much of the time is written:\n"
     "'hours', 'minutes', 'seconds', 'milliseconds' or 'microseconds'.\n"},
    {"utcoffset", datetime_utcoffset, METH_NOARGS, "Return self.tzinfo.utcoffset(self)."},
    {"tzname", datetime_tzname, METH_NOARGS, "Return self.tzinfo.tzname(self)."},
    {"dst", datetime_dst, METH_NOARGS, "Return self.tzinfo.dst(self)."},
    {"replace", _PyCFunction_CAST(datetime_replace), FK,
     "replace($self, /, year=unchanged, month=unchanged, day=unchanged,\n"
     "        hour=unchanged, minute=unchanged, second=unchanged,\n"
     "        microsecond=unchanged, tzinfo=unchanged, *, fold=unchanged)\n--\n\n"
     "Return datetime with new specified fields."},
    {"__replace__", _PyCFunction_CAST(datetime_replace), FK,
     "__replace__($self, /, **changes)\n--\n\nThe same as replace()."},
    {"astimezone", (PyCFunction)(void *)datetime_astimezone, FK,
     "tz -> convert to local time in new timezone tz\n"},
    {"__reduce_ex__", (PyCFunction)(void *)datetime_reduce_ex, METH_FASTCALL,
     "__reduce_ex__(proto) -> (cls, state)"},
    {"__reduce__", datetime_reduce, METH_NOARGS, "__reduce__() -> (cls, state)"},
    {NULL, NULL, 0, NULL},
};

static PyNumberMethods datetime_number = {
    .nb_add = datetime_add,
    .nb_subtract = datetime_sub,
};

PyTypeObject NjDateTime_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "datetime.datetime",
    .tp_basicsize = sizeof(DateTime),
    .tp_dealloc = datetime_dealloc,
    .tp_repr = datetime_repr,
    .tp_as_number = &datetime_number,
    .tp_hash = datetime_hash,
    .tp_str = datetime_str,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "datetime(year, month, day[, hour[, minute[, second[, "
              "microsecond[,tzinfo]]]]])\n\n"
              "The year, month and day arguments are required. tzinfo may be None, or an\n"
              "instance of a tzinfo subclass. The remaining arguments may be ints.\n",
    .tp_richcompare = datetime_richcompare,
    .tp_methods = datetime_methods,
    .tp_getset = datetime_getset,
    .tp_base = &NjDate_Type,
    .tp_alloc = datetime_alloc,
    .tp_new = datetime_new,
    .tp_vectorcall = datetime_vectorcall,
};

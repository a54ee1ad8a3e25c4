/* time.c - the module time.
 *
 * Clocks are read by clock_gettime in whole nanoseconds. Numbers given by the user are
 * turned into nanoseconds (or time_t) with an explicit rounding, overflow detected.
 * strftime runs the C function over the ASCII parts of the format only; NUL and other
 * characters are copied, so neither can confuse it.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "runtime/time_convert.h"

#define METH(name) (PyCFunction)(void *)(name)

typedef struct State {
    PyTypeObject *struct_time;
} State;

static State *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/* ---- clocks ------------------------------------------------------------------------- */

static int
read_clock(clockid_t id, PyTime_t *out)
{
    struct timespec ts;
    if (clock_gettime(id, &ts) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    *out = (PyTime_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
    return 0;
}

static PyObject *
clock_seconds(clockid_t id)
{
    PyTime_t t;
    return read_clock(id, &t) < 0 ? NULL : PyFloat_FromDouble(PyTime_AsSecondsDouble(t));
}

static PyObject *
clock_nanoseconds(clockid_t id)
{
    PyTime_t t;
    return read_clock(id, &t) < 0 ? NULL : PyLong_FromInt64(t);
}

#define CLOCK(name, id)                                                                  \
    static PyObject *time_##name(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(ignored))   \
    {                                                                                    \
        return clock_seconds(id);                                                        \
    }                                                                                    \
    static PyObject *time_##name##_ns(PyObject *Py_UNUSED(m),                            \
                                      PyObject *Py_UNUSED(ignored))                      \
    {                                                                                    \
        return clock_nanoseconds(id);                                                    \
    }

CLOCK(time, CLOCK_REALTIME)
CLOCK(monotonic, CLOCK_MONOTONIC)
CLOCK(perf_counter, CLOCK_MONOTONIC)
CLOCK(process_time, CLOCK_PROCESS_CPUTIME_ID)
CLOCK(thread_time, CLOCK_THREAD_CPUTIME_ID)

static int
clock_id(PyObject *arg, clockid_t *id)
{
    if (!PyLong_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "clk_id should be integer, not %T", arg);
        return -1;
    }
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(arg, &overflow);
    if (overflow || n < INT_MIN || n > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "clk_id should be integer");
        return -1;
    }
    *id = (clockid_t)n;
    return 0;
}

static PyObject *
time_clock_gettime(PyObject *Py_UNUSED(m), PyObject *arg)
{
    clockid_t id;
    return clock_id(arg, &id) < 0 ? NULL : clock_seconds(id);
}

static PyObject *
time_clock_gettime_ns(PyObject *Py_UNUSED(m), PyObject *arg)
{
    clockid_t id;
    return clock_id(arg, &id) < 0 ? NULL : clock_nanoseconds(id);
}

static PyObject *
set_clock(int id, PyTime_t t)
{
    PyTime_t sec = t / 1000000000, ns = t % 1000000000;
    if (ns < 0) {
        ns += 1000000000;
        sec--;
    }
    struct timespec ts = {.tv_sec = sec, .tv_nsec = ns};
    if (clock_settime((clockid_t)id, &ts) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
time_clock_settime(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int id;
    PyObject *o;
    PyTime_t t;
    if (!_PyArg_ParseStack(args, nargs, "iO:clock_settime", &id, &o) ||
        _PyTime_FromSecondsObject(&t, o, NJ_ROUND_FLOOR) < 0) {
        return NULL;
    }
    return set_clock(id, t);
}

static PyObject *
time_clock_settime_ns(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int id;
    PyObject *o;
    if (!_PyArg_ParseStack(args, nargs, "iO:clock_settime", &id, &o)) {
        return NULL;
    }
    if (!PyLong_Check(o)) {
        PyErr_Format(PyExc_TypeError, "expect int, got %T", o);
        return NULL;
    }
    int64_t t;
    if (PyLong_AsInt64(o, &t) < 0) {
        return NULL;
    }
    return set_clock(id, t);
}

static PyObject *
time_clock_getres(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int id;
    struct timespec ts;
    if (!_PyArg_ParseStack(args, nargs, "i:clock_getres", &id)) {
        return NULL;
    }
    if (clock_getres((clockid_t)id, &ts) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyFloat_FromDouble((double)ts.tv_sec + (double)ts.tv_nsec * 1e-9);
}

static PyObject *
time_pthread_getcpuclockid(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    unsigned long thread;
    clockid_t id;
    if (!_PyArg_ParseStack(args, nargs, "k:pthread_getcpuclockid", &thread)) {
        return NULL;
    }
    int err = pthread_getcpuclockid((pthread_t)thread, &id);
    if (err) {
        errno = err;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyLong_FromLong(id);
}

static PyObject *
time_get_clock_info(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    const char *name;
    if (!_PyArg_ParseStack(args, nargs, "s:get_clock_info", &name)) {
        return NULL;
    }
    static const struct {
        const char *name, *implementation;
        clockid_t id;
        bool monotonic;
    } clocks[] = {
        {"time", "clock_gettime(CLOCK_REALTIME)", CLOCK_REALTIME, false},
        {"monotonic", "clock_gettime(CLOCK_MONOTONIC)", CLOCK_MONOTONIC, true},
        {"perf_counter", "clock_gettime(CLOCK_MONOTONIC)", CLOCK_MONOTONIC, true},
        {"process_time", "clock_gettime(CLOCK_PROCESS_CPUTIME_ID)",
         CLOCK_PROCESS_CPUTIME_ID, true},
        {"thread_time", "clock_gettime(CLOCK_THREAD_CPUTIME_ID)", CLOCK_THREAD_CPUTIME_ID,
         true},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(clocks); i++) {
        if (strcmp(name, clocks[i].name) != 0) {
            continue;
        }
        struct timespec res;
        if (clock_getres(clocks[i].id, &res) < 0) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        PyObject *simple = PySys_GetObject("implementation"); /* a SimpleNamespace */
        if (simple == NULL) {
            PyErr_SetString(PyExc_RuntimeError, "lost sys.implementation");
            return NULL;
        }
        NJ_OWN kw = Py_BuildValue(
            "{s:s,s:O,s:O,s:d}", "implementation", clocks[i].implementation, "monotonic",
            clocks[i].monotonic ? Py_True : Py_False, "adjustable",
            clocks[i].monotonic ? Py_False : Py_True, "resolution",
            (double)res.tv_sec + (double)res.tv_nsec * 1e-9);
        NJ_OWN none = PyTuple_New(0);
        return kw && none ? PyObject_Call((PyObject *)Py_TYPE(simple), none, kw) : NULL;
    }
    PyErr_SetString(PyExc_ValueError, "unknown clock");
    return NULL;
}

static PyObject *
time_sleep(PyObject *Py_UNUSED(m), PyObject *arg)
{
    if (PySys_Audit("time.sleep", "O", arg) < 0) {
        return NULL;
    }
    PyTime_t ns;
    if (_PyTime_FromSecondsObject(&ns, arg, NJ_ROUND_CEILING) < 0) {
        return NULL;
    }
    if (ns < 0) {
        PyErr_SetString(PyExc_ValueError, "sleep length must be non-negative");
        return NULL;
    }
    if (ns == 0) {
        struct timespec zero = {0, 0};
        Py_BEGIN_ALLOW_THREADS
        clock_nanosleep(CLOCK_MONOTONIC, 0, &zero, NULL);
        Py_END_ALLOW_THREADS
        Py_RETURN_NONE;
    }
    PyTime_t now;
    if (read_clock(CLOCK_MONOTONIC, &now) < 0) {
        return NULL;
    }
    PyTime_t end;
    if (__builtin_add_overflow(now, ns, &end)) {
        end = PyTime_MAX;
    }
    struct timespec deadline = {.tv_sec = end / 1000000000, .tv_nsec = end % 1000000000};
    while (true) {
        int err;
        Py_BEGIN_ALLOW_THREADS
        err = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL);
        Py_END_ALLOW_THREADS
        if (err == 0) {
            Py_RETURN_NONE;
        }
        if (err != EINTR) {
            errno = err;
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
    }
}

/* ---- struct_time -------------------------------------------------------------------- */

static PyStructSequence_Field struct_time_fields[] = {
    {"tm_year", "year, for example, 1993"},
    {"tm_mon", "month of year, range [1, 12]"},
    {"tm_mday", "day of month, range [1, 31]"},
    {"tm_hour", "hours, range [0, 23]"},
    {"tm_min", "minutes, range [0, 59]"},
    {"tm_sec", "seconds, range [0, 61])"},
    {"tm_wday", "day of week, range [0, 6], Monday is 0"},
    {"tm_yday", "day of year, range [1, 366]"},
    {"tm_isdst", "1 if summer time is in effect, 0 if not, and -1 if unknown"},
    {"tm_zone", "abbreviation of timezone name"},
    {"tm_gmtoff", "offset from UTC in seconds"},
    {NULL, NULL},
};

static PyStructSequence_Desc struct_time_desc = {
    .name = "time.struct_time",
    .doc = "A time cut into its parts, as gmtime(), localtime() and strptime() return it\n"
           "and asctime(), mktime() and strftime() take it: a sequence of nine integers.",
    .fields = struct_time_fields,
    .n_in_sequence = 9,
};

static PyObject *
from_tm(State *st, const struct tm *p)
{
    NJ_OWN v = PyStructSequence_New(st->struct_time);
    if (v == NULL) {
        return NULL;
    }
    const long parts[9] = {
        p->tm_year + 1900L, p->tm_mon + 1, p->tm_mday,    p->tm_hour,  p->tm_min,
        p->tm_sec, (p->tm_wday + 6) % 7,   p->tm_yday + 1, p->tm_isdst,
    };
    for (int i = 0; i < 9; i++) {
        PyObject *x = PyLong_FromLong(parts[i]);
        if (x == NULL) {
            return NULL;
        }
        PyStructSequence_SetItem(v, i, x);
    }
    PyObject *zone = PyUnicode_DecodeLocale(p->tm_zone ? p->tm_zone : "", "surrogateescape");
    PyStructSequence_SetItem(v, 9, zone);
    PyObject *off = PyLong_FromLong(p->tm_gmtoff);
    PyStructSequence_SetItem(v, 10, off);
    return zone && off ? NJ_TAKE(v) : NULL;
}

/* The optional argument "seconds" of gmtime, localtime, ctime. */
static int
seconds_arg(PyObject *args, const char *format, time_t *when)
{
    PyObject *o = NULL;
    if (!PyArg_ParseTuple(args, format, &o)) {
        return -1;
    }
    if (o == NULL || o == Py_None) {
        *when = time(NULL);
        return 0;
    }
    return _PyTime_ObjectToTime_t(o, when, NJ_ROUND_FLOOR);
}

static PyObject *
time_gmtime(PyObject *m, PyObject *args)
{
    time_t when;
    struct tm tm;
    if (seconds_arg(args, "|O:gmtime", &when) < 0) {
        return NULL;
    }
    errno = 0;
    if (gmtime_r(&when, &tm) == NULL) {
        errno = errno ? errno : EINVAL;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return from_tm(state_of(m), &tm);
}

static int
local_time(time_t when, struct tm *tm)
{
    errno = 0;
    if (localtime_r(&when, tm) == NULL) {
        errno = errno ? errno : EINVAL;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

static PyObject *
time_localtime(PyObject *m, PyObject *args)
{
    time_t when;
    struct tm tm;
    if (seconds_arg(args, "|O:localtime", &when) < 0 || local_time(when, &tm) < 0) {
        return NULL;
    }
    return from_tm(state_of(m), &tm);
}

/* Fills *p from a tuple of nine or a struct_time. The zone's text lives as long as args. */
static int
to_tm(State *st, PyObject *args, struct tm *p, const char *format)
{
    memset(p, 0, sizeof *p);
    NJ_OWN t = NULL;
    if (Py_IS_TYPE(args, st->struct_time)) {
        t = PyTuple_New(9);
        if (t == NULL) {
            return -1;
        }
        for (Py_ssize_t i = 0; i < 9; i++) {
            PyTuple_SET_ITEM(t, i, Py_NewRef(PyStructSequence_GetItem(args, i)));
        }
    }
    else if (PyTuple_Check(args)) {
        t = Py_NewRef(args);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "Tuple or struct_time argument required");
        return -1;
    }
    int y;
    if (!PyArg_ParseTuple(t, format, &y, &p->tm_mon, &p->tm_mday, &p->tm_hour, &p->tm_min,
                          &p->tm_sec, &p->tm_wday, &p->tm_yday, &p->tm_isdst)) {
        return -1;
    }
    if (y < INT_MIN + 1900) {
        PyErr_SetString(PyExc_OverflowError, "year out of range");
        return -1;
    }
    p->tm_year = y - 1900;
    p->tm_mon--;
    p->tm_wday = (p->tm_wday + 1) % 7;
    p->tm_yday--;
    if (Py_IS_TYPE(args, st->struct_time)) {
        PyObject *zone = PyStructSequence_GetItem(args, 9);
        if (zone != NULL && zone != Py_None) {
            p->tm_zone = (char *)PyUnicode_AsUTF8(zone);
            if (p->tm_zone == NULL) {
                return -1;
            }
        }
        PyObject *off = PyStructSequence_GetItem(args, 10);
        if (off != NULL && off != Py_None) {
            p->tm_gmtoff = PyLong_AsLong(off);
            if (PyErr_Occurred()) {
                return -1;
            }
        }
    }
    return 0;
}

static int
range_error(const char *message)
{
    PyErr_SetString(PyExc_ValueError, message);
    return -1;
}

/* What asctime and strftime insist on; zero month and day pass for one. */
static int
check_tm(struct tm *p)
{
    if (p->tm_mon == -1) {
        p->tm_mon = 0;
    }
    else if (p->tm_mon < 0 || p->tm_mon > 11) {
        return range_error("month out of range");
    }
    if (p->tm_mday == 0) {
        p->tm_mday = 1;
    }
    else if (p->tm_mday < 0 || p->tm_mday > 31) {
        return range_error("day of month out of range");
    }
    if (p->tm_hour < 0 || p->tm_hour > 23) {
        return range_error("hour out of range");
    }
    if (p->tm_min < 0 || p->tm_min > 59) {
        return range_error("minute out of range");
    }
    if (p->tm_sec < 0 || p->tm_sec > 61) {
        return range_error("seconds out of range");
    }
    if (p->tm_wday < 0) {
        return range_error("day of week out of range");
    }
    if (p->tm_yday == -1) {
        p->tm_yday = 0;
    }
    else if (p->tm_yday < 0 || p->tm_yday > 365) {
        return range_error("day of year out of range");
    }
    return 0;
}

static PyObject *
format_asctime(const struct tm *p)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return PyUnicode_FromFormat("%s %s%3d %.2d:%.2d:%.2d %ld", days[p->tm_wday],
                                months[p->tm_mon], p->tm_mday, p->tm_hour, p->tm_min,
                                p->tm_sec, 1900L + p->tm_year);
}

static PyObject *
time_asctime(PyObject *m, PyObject *args)
{
    PyObject *t = NULL;
    struct tm tm;
    if (!PyArg_UnpackTuple(args, "asctime", 0, 1, &t)) {
        return NULL;
    }
    if (t == NULL) {
        if (local_time(time(NULL), &tm) < 0) {
            return NULL;
        }
    }
    else if (to_tm(state_of(m), t, &tm, "iiiiiiiii;asctime(): illegal time tuple argument") <
                 0 ||
             check_tm(&tm) < 0) {
        return NULL;
    }
    return format_asctime(&tm);
}

static PyObject *
time_ctime(PyObject *Py_UNUSED(m), PyObject *args)
{
    time_t when;
    struct tm tm;
    if (seconds_arg(args, "|O:ctime", &when) < 0 || local_time(when, &tm) < 0) {
        return NULL;
    }
    return format_asctime(&tm);
}

static PyObject *
time_mktime(PyObject *m, PyObject *arg)
{
    struct tm tm;
    if (to_tm(state_of(m), arg, &tm, "iiiiiiiii;mktime(): illegal time tuple argument") < 0) {
        return NULL;
    }
    tm.tm_wday = -1; /* stays so on failure; -1 itself is a valid time */
    time_t t = mktime(&tm);
    if (t == -1 && tm.tm_wday == -1) {
        PyErr_SetString(PyExc_OverflowError, "mktime argument out of range");
        return NULL;
    }
    return PyFloat_FromDouble((double)t);
}

/* strftime of an ASCII format without NUL: new str. */
static PyObject *
format_part(const char *format, const struct tm *tm)
{
    char small[128];
    size_t len = strftime(small, sizeof(small), format, tm);
    if (len > 0) {
        return PyUnicode_DecodeLocaleAndSize(small, (Py_ssize_t)len, "surrogateescape");
    }
    size_t flen = strlen(format);
    for (size_t room = 1024;; room *= 2) {
        char *buf = PyMem_Malloc(room);
        if (buf == NULL) {
            return PyErr_NoMemory();
        }
        size_t n = strftime(buf, room, format, tm);
        if (n > 0 || room >= 256 * (flen + 4)) {
            /* An empty result is possible (for example "%p" in some locales). */
            buf[n] = '\0';
            PyObject *r = PyUnicode_DecodeLocaleAndSize(buf, (Py_ssize_t)n,
                                                        "surrogateescape");
            PyMem_Free(buf);
            return r;
        }
        PyMem_Free(buf);
    }
}

static PyObject *
time_strftime(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *format, *t = NULL;
    struct tm tm;
    if (!_PyArg_ParseStack(args, nargs, "U|O:strftime", &format, &t)) {
        return NULL;
    }
    if (t == NULL) {
        if (local_time(time(NULL), &tm) < 0) {
            return NULL;
        }
    }
    else if (to_tm(state_of(m), t, &tm, "iiiiiiiii;strftime(): illegal time tuple argument") <
                 0 ||
             check_tm(&tm) < 0) {
        return NULL;
    }
    if (tm.tm_isdst < -1) {
        tm.tm_isdst = -1;
    }
    else if (tm.tm_isdst > 1) {
        tm.tm_isdst = 1;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(format);
    if (n > 0 && PyUnicode_IS_ASCII(format) &&
        strlen(PyUnicode_DATA(format)) == (size_t)n) {
        return format_part(PyUnicode_DATA(format), &tm);
    }
    NJ_OWN parts = PyList_New(0);
    NJ_OWN_MEM(char) ascii = PyMem_Malloc((size_t)n + 1);
    if (parts == NULL || ascii == NULL) {
        return parts ? PyErr_NoMemory() : NULL;
    }
    for (Py_ssize_t i = 0; i < n;) {
        Py_ssize_t k = 0;
        while (i < n) {
            Py_UCS4 c = PyUnicode_READ_CHAR(format, i);
            if (c == 0 || c > 127) {
                break;
            }
            ascii[k++] = (char)c;
            i++;
        }
        ascii[k] = '\0';
        if (k > 0) {
            NJ_OWN part = format_part(ascii, &tm);
            if (part == NULL || PyList_Append(parts, part) < 0) {
                return NULL;
            }
        }
        Py_ssize_t start = i;
        while (i < n) {
            Py_UCS4 c = PyUnicode_READ_CHAR(format, i);
            if (c != 0 && c <= 127) {
                break;
            }
            i++;
        }
        if (i > start) {
            NJ_OWN part = PyUnicode_Substring(format, start, i);
            if (part == NULL || PyList_Append(parts, part) < 0) {
                return NULL;
            }
        }
    }
    NJ_OWN empty = PyUnicode_FromString("");
    return empty ? PyUnicode_Join(empty, parts) : NULL;
}

static PyObject *
time_strptime(PyObject *Py_UNUSED(m), PyObject *args)
{
    NJ_OWN f = PyImport_ImportModuleAttrString("_strptime", "_strptime_time");
    return f ? PyObject_Call(f, args, NULL) : NULL;
}

/* ---- time zone ---------------------------------------------------------------------- */

static void
zone_at(time_t t, char *name, size_t room, long *offset)
{
    struct tm tm;
    *offset = 0;
    name[0] = '\0';
    if (localtime_r(&t, &tm) != NULL) {
        *offset = -tm.tm_gmtoff;
        PyOS_snprintf(name, room, "%s", tm.tm_zone ? tm.tm_zone : "   ");
    }
}

/* Puts timezone, altzone, daylight, tzname into the module: the offsets of January and
 * July tell which one is summer time. */
static int
set_zone(PyObject *m)
{
    const time_t year = (365 * 24 + 6) * 3600;
    char jan[100], jul[100];
    long jan_off, jul_off;
    tzset();
    time_t t = time(NULL) / year * year;
    zone_at(t, jan, sizeof jan, &jan_off);
    zone_at(t + year / 2, jul, sizeof jul, &jul_off);
    bool south = jan_off < jul_off;
    if (PyModule_AddIntConstant(m, "timezone", south ? jul_off : jan_off) < 0 ||
        PyModule_AddIntConstant(m, "altzone", south ? jan_off : jul_off) < 0 ||
        PyModule_AddIntConstant(m, "daylight", jan_off != jul_off) < 0) {
        return -1;
    }
    NJ_OWN a = PyUnicode_DecodeLocale(south ? jul : jan, "surrogateescape");
    NJ_OWN b = PyUnicode_DecodeLocale(south ? jan : jul, "surrogateescape");
    return PyModule_Add(m, "tzname", a && b ? PyTuple_Pack(2, a, b) : NULL);
}

static PyObject *
time_tzset(PyObject *m, PyObject *Py_UNUSED(ignored))
{
    if (set_zone(m) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- the module --------------------------------------------------------------------- */

static PyMethodDef time_methods[] = {
    {"time", time_time, METH_NOARGS,
     "time($self, /)\n--\n\nSeconds since the epoch, as a float."},
    {"time_ns", time_time_ns, METH_NOARGS,
     "time_ns($self, /)\n--\n\nNanoseconds since the epoch."},
    {"clock_gettime", time_clock_gettime, METH_O,
     "clock_gettime($module, clk_id, /)\n--\n\nThe time of a clock in seconds."},
    {"clock_gettime_ns", time_clock_gettime_ns, METH_O,
     "clock_gettime_ns($module, clk_id, /)\n--\n\nThe time of a clock in nanoseconds."},
    {"clock_settime", (PyCFunction)(void *)time_clock_settime, METH_FASTCALL,
     "clock_settime(clk_id, time)\n\nSets a clock, in seconds."},
    {"clock_settime_ns", (PyCFunction)(void *)time_clock_settime_ns, METH_FASTCALL,
     "clock_settime_ns(clk_id, time)\n\nSets a clock, in nanoseconds."},
    {"clock_getres", (PyCFunction)(void *)time_clock_getres, METH_FASTCALL,
     "clock_getres(clk_id) -> floating-point number\n\nThe resolution of a clock."},
    {"pthread_getcpuclockid", (PyCFunction)(void *)time_pthread_getcpuclockid,
     METH_FASTCALL,
     "pthread_getcpuclockid(thread_id) -> int\n\nThe clock of a thread's CPU time."},
    {"sleep", time_sleep, METH_O,
     "sleep($self, object, /)\n--\n\nWaits that many seconds, fractions included."},
    {"gmtime", time_gmtime, METH_VARARGS,
     "gmtime([seconds]) -> struct_time\n\nThe time in UTC, cut into its parts."},
    {"localtime", time_localtime, METH_VARARGS,
     "localtime([seconds]) -> struct_time\n\nThe local time, cut into its parts."},
    {"asctime", time_asctime, METH_VARARGS,
     "asctime([tuple]) -> string\n\nA time as text like 'Sat Jun 06 16:26:11 1998'."},
    {"ctime", time_ctime, METH_VARARGS,
     "ctime(seconds) -> string\n\nasctime(localtime(seconds))."},
    {"mktime", time_mktime, METH_O,
     "mktime($self, object, /)\n--\n\nSeconds since the epoch of a local time tuple."},
    {"strftime", (PyCFunction)(void *)time_strftime, METH_FASTCALL,
     "strftime(format[, time_tuple]) -> string\n\nA time as text in the given format."},
    {"strptime", time_strptime, METH_VARARGS,
     "strptime(string, format) -> struct_time\n\nReads a time from text."},
    {"tzset", time_tzset, METH_NOARGS,
     "tzset($self, /)\n--\n\nReads the environment variable TZ again."},
    {"monotonic", time_monotonic, METH_NOARGS,
     "monotonic($self, /)\n--\n\nA clock that never goes back, in seconds."},
    {"monotonic_ns", time_monotonic_ns, METH_NOARGS,
     "monotonic_ns($self, /)\n--\n\nA clock that never goes back, in nanoseconds."},
    {"process_time", time_process_time, METH_NOARGS,
     "process_time($self, /)\n--\n\nCPU time of the process in seconds."},
    {"process_time_ns", time_process_time_ns, METH_NOARGS,
     "process_time_ns($self, /)\n--\n\nCPU time of the process in nanoseconds."},
    {"thread_time", time_thread_time, METH_NOARGS,
     "thread_time($self, /)\n--\n\nCPU time of the thread in seconds."},
    {"thread_time_ns", time_thread_time_ns, METH_NOARGS,
     "thread_time_ns($self, /)\n--\n\nCPU time of the thread in nanoseconds."},
    {"perf_counter", time_perf_counter, METH_NOARGS,
     "perf_counter($self, /)\n--\n\nThe best clock for measuring, in seconds."},
    {"perf_counter_ns", time_perf_counter_ns, METH_NOARGS,
     "perf_counter_ns($self, /)\n--\n\nThe best clock for measuring, in nanoseconds."},
    {"get_clock_info", (PyCFunction)(void *)time_get_clock_info, METH_FASTCALL,
     "get_clock_info(name: str) -> dict\n\nWhat there is to know about a clock."},
    {NULL, NULL, 0, NULL},
};

static int
time_exec(PyObject *m)
{
    State *st = state_of(m);
    if (set_zone(m) < 0) {
        return -1;
    }
    static const struct {
        const char *name;
        int value;
    } clocks[] = {
        {"CLOCK_REALTIME", CLOCK_REALTIME},
        {"CLOCK_MONOTONIC", CLOCK_MONOTONIC},
        {"CLOCK_MONOTONIC_RAW", CLOCK_MONOTONIC_RAW},
        {"CLOCK_PROCESS_CPUTIME_ID", CLOCK_PROCESS_CPUTIME_ID},
        {"CLOCK_THREAD_CPUTIME_ID", CLOCK_THREAD_CPUTIME_ID},
        {"CLOCK_BOOTTIME", CLOCK_BOOTTIME},
        {"CLOCK_TAI", CLOCK_TAI},
        {"_STRUCT_TM_ITEMS", 11},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(clocks); i++) {
        if (PyModule_AddIntConstant(m, clocks[i].name, clocks[i].value) < 0) {
            return -1;
        }
    }
    st->struct_time = PyStructSequence_NewType(&struct_time_desc);
    if (st->struct_time == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(m, "struct_time", (PyObject *)st->struct_time);
}

static int
time_traverse(PyObject *m, visitproc visit, void *arg)
{
    Py_VISIT(state_of(m)->struct_time);
    return 0;
}

static int
time_clear(PyObject *m)
{
    Py_CLEAR(state_of(m)->struct_time);
    return 0;
}

static void
time_free(void *m)
{
    time_clear(m);
}

static PyModuleDef_Slot time_slots[] = {
    {Py_mod_exec, time_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef time_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "time",
    .m_doc = "Clocks, sleeping, and times as text.\n\n"
             "A time is either seconds since the epoch (1970-01-01 00:00 UTC) or a\n"
             "struct_time. Local time follows the environment variable TZ.",
    .m_size = sizeof(State),
    .m_methods = time_methods,
    .m_slots = time_slots,
    .m_traverse = time_traverse,
    .m_clear = time_clear,
    .m_free = time_free,
};

PyMODINIT_FUNC PyInit_time(void);
PyMODINIT_FUNC
PyInit_time(void)
{
    return PyModuleDef_Init(&time_module);
}

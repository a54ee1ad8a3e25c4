/* selftest.c - test_* functions: the regression tests run each of them and look only for an
 * exception. They test exported functions that no Python code reaches.
 * SPDX-License-Identifier: MIT
 */
#include "module.h"

#include <sched.h>

#define CHECK(x)                                                                       \
    do {                                                                               \
        if (!(x)) {                                                                    \
            PyErr_SetString(PyExc_AssertionError, __FILE__ ": " #x);                   \
            return NULL;                                                               \
        }                                                                              \
    } while (0)

static PyObject *
test_long_numbits(PyObject *m, PyObject *unused)
{
    static const struct {
        long value;
        int bits, sign;
    } cases[] = {{0, 0, 0},        {1, 1, 1},          {-1, 1, -1},       {2, 2, 1},
                 {-2, 2, -1},      {3, 2, 1},          {255, 8, 1},       {256, 9, 1},
                 {-256, 9, -1},    {(1L << 30), 31, 1}, {-(1L << 30), 31, -1},
                 {LONG_MAX, 63, 1}, {LONG_MIN, 64, -1}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(cases); i++) {
        NJ_OWN n = PyLong_FromLong(cases[i].value);
        int sign;
        if (!n || PyLong_GetSign(n, &sign) < 0) {
            return NULL;
        }
        CHECK(_PyLong_NumBits(n) == cases[i].bits && sign == cases[i].sign);
    }
    Py_RETURN_NONE;
}

/* The engine's measure of similar names against that of the traceback module. */
static PyObject *
test_edit_cost(PyObject *m, PyObject *unused)
{
    static const char *const words[] = {"",       "a",      "A",       "Apple",  "Aple",
                                        "Banana", "B@n@n@", "Cherry!", "---0---", "------",
                                        "abc",    "y",      "aa",      "bb",     "AaaaA",
                                        "wxyz",   "wXyZ",   "Python",  "Java",   "Java1"};
    NJ_OWN traceback = PyImport_ImportModule("traceback");
    NJ_OWN measure = traceback ? PyObject_GetAttrString(traceback, "_levenshtein_distance")
                               : NULL;
    if (!measure) {
        return NULL;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(words); i++) {
        for (size_t j = 0; j < NJ_ARRAY_LEN(words); j++) {
            NJ_OWN a = PyUnicode_FromString(words[i]);
            NJ_OWN b = a ? PyUnicode_FromString(words[j]) : NULL;
            NJ_OWN want = b ? PyObject_CallFunction(measure, "OOn", a, b, (Py_ssize_t)100) : NULL;
            if (!want) {
                return NULL;
            }
            CHECK(HOOKS->edit_cost(a, b, 100) == PyLong_AsSsize_t(want));
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
test_tstate_capi(PyObject *m, PyObject *unused)
{
    PyThreadState *ts = PyThreadState_Get();
    CHECK(ts && ts == PyThreadState_GetUnchecked() && ts == PyGILState_GetThisThreadState());
    CHECK(PyThreadState_GetInterpreter(ts) == PyInterpreterState_Get());
    PyObject *d = PyThreadState_GetDict();
    CHECK(d && PyDict_Check(d));
    NJ_OWN key = PyUnicode_FromString("_testinternalcapi.test_tstate_capi");
    if (!key || PyDict_SetItem(d, key, Py_None) < 0) {
        return NULL;
    }
    CHECK(PyThreadState_GetDict() == d && PyDict_Contains(d, key) == 1);
    if (PyDict_DelItem(d, key) < 0) {
        return NULL;
    }
    CHECK(PyThreadState_Swap(NULL) == ts);
    bool detached = PyThreadState_GetUnchecked() == NULL;
    PyThreadState_Swap(ts);
    CHECK(detached && PyThreadState_Get() == ts);
    Py_RETURN_NONE;
}

static PyObject *
test_threadstate_set_stack_protection(PyObject *m, PyObject *unused)
{
    PyThreadState *ts = PyThreadState_Get();
    uintptr_t before = HOOKS->stack_soft_limit();
    size_t size = 1024 * 1024;
    char *here = __builtin_frame_address(0);
    int rc = PyUnstable_ThreadState_SetStackProtection(ts, here - size / 2, size);
    uintptr_t within = HOOKS->stack_soft_limit();
    PyUnstable_ThreadState_ResetStackProtection(ts);
    CHECK(rc == 0);
    CHECK(within > (uintptr_t)(here - size / 2) && within < (uintptr_t)here);
    /* The extent of the main thread's stack is looked up anew. */
    uintptr_t after = HOOKS->stack_soft_limit();
    CHECK(after < (uintptr_t)here && (after > before ? after - before : before - after) < size);
    CHECK(PyUnstable_ThreadState_SetStackProtection(ts, here, 16) == -1);
    CHECK(PyErr_ExceptionMatches(PyExc_ValueError));
    PyErr_Clear();
    CHECK(HOOKS->stack_soft_limit() == after);
    Py_RETURN_NONE;
}

/* --- critical sections: nothing but a scope while there is a GIL -------------------------- */

static PyObject *
test_critical_sections(PyObject *m, PyObject *unused)
{
    NJ_OWN a = PyDict_New();
    NJ_OWN b = PyDict_New();
    int ok = a && b ? 0 : -1;
    Py_BEGIN_CRITICAL_SECTION(a);
    ok = ok == 0 ? PyDict_SetItemString(a, "x", Py_None) : ok;
    Py_END_CRITICAL_SECTION();
    Py_BEGIN_CRITICAL_SECTION2(a, b);
    ok = ok == 0 ? PyDict_Update(b, a) : ok;
    Py_END_CRITICAL_SECTION2();
    if (ok < 0) {
        return NULL;
    }
    CHECK(PyDict_Size(b) == 1);
    Py_RETURN_NONE;
}

static PyObject *
test_critical_sections_nest(PyObject *m, PyObject *unused)
{
    NJ_OWN a = PyDict_New();
    NJ_OWN b = PyDict_New();
    int depth = a && b ? 0 : -1;
    if (depth < 0) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(a);
    depth++;
    Py_BEGIN_CRITICAL_SECTION(a);
    depth++;
    Py_BEGIN_CRITICAL_SECTION2(b, a);
    depth++;
    Py_END_CRITICAL_SECTION2();
    Py_END_CRITICAL_SECTION();
    Py_END_CRITICAL_SECTION();
    CHECK(depth == 3);
    Py_RETURN_NONE;
}

/* A thread that waits leaves its sections: another one gets in. */
typedef struct Sections {
    PyObject *list;
    bool collect;
    int running, failed; /* atomic */
    PyThread_type_lock done;
} Sections;

static void
append_in_section(void *arg)
{
    Sections *s = arg;
    PyGILState_STATE gil = PyGILState_Ensure();
    for (int i = 0; i < 50; i++) {
        int rc;
        Py_BEGIN_CRITICAL_SECTION(s->list);
        Py_BEGIN_ALLOW_THREADS
        sched_yield();
        Py_END_ALLOW_THREADS
        rc = PyList_Append(s->list, Py_None);
        if (s->collect && i % 10 == 0) {
            PyGC_Collect();
        }
        Py_END_CRITICAL_SECTION();
        if (rc < 0) {
            PyErr_Clear();
            __atomic_store_n(&s->failed, 1, __ATOMIC_RELEASE);
        }
    }
    PyGILState_Release(gil);
    if (__atomic_sub_fetch(&s->running, 1, __ATOMIC_ACQ_REL) == 0) {
        PyThread_release_lock(s->done);
    }
}

static PyObject *
append_in_threads(bool collect)
{
    enum { THREADS = 4 };
    NJ_OWN list = PyList_New(0);
    Sections s = {.list = list, .collect = collect, .running = THREADS,
                  .done = list ? PyThread_allocate_lock() : NULL};
    if (!s.done) {
        return list ? PyErr_NoMemory() : NULL;
    }
    PyThread_acquire_lock(s.done, 1);
    for (int i = 0; i < THREADS; i++) {
        if (PyThread_start_new_thread(append_in_section, &s) == PYTHREAD_INVALID_THREAD_ID) {
            Py_FatalError("cannot start a thread"); /* others use this stack frame */
        }
    }
    Py_BEGIN_ALLOW_THREADS
    PyThread_acquire_lock(s.done, 1);
    Py_END_ALLOW_THREADS
    PyThread_release_lock(s.done);
    PyThread_free_lock(s.done);
    CHECK(!s.failed && PyList_GET_SIZE(list) == THREADS * 50);
    Py_RETURN_NONE;
}

static PyObject *
test_critical_sections_threads(PyObject *m, PyObject *unused)
{
    return append_in_threads(false);
}

static PyObject *
test_critical_sections_suspend(PyObject *m, PyObject *unused)
{
    return append_in_threads(false);
}

static PyObject *
test_critical_sections_gc(PyObject *m, PyObject *unused)
{
    return append_in_threads(true);
}

/* --- searching bytes ----------------------------------------------------------------------- */

PyAPI_FUNC(Py_ssize_t) _PyBytes_Find(const char *haystack, Py_ssize_t n, const char *needle,
                                     Py_ssize_t m, Py_ssize_t offset);
PyAPI_FUNC(Py_ssize_t) _PyBytes_ReverseFind(const char *haystack, Py_ssize_t n,
                                            const char *needle, Py_ssize_t m,
                                            Py_ssize_t offset);

static PyObject *
test_bytes_find(PyObject *m, PyObject *unused)
{
    static const struct {
        const char *in, *what;
        Py_ssize_t offset, first, last;
    } cases[] = {{"", "", 0, 0, 0},        {"Python", "", 3, 3, 9},
                 {"Python", "P", 0, 0, 0}, {"Python", "on", 5, 9, 9},
                 {"Python", "no", 5, -1, -1}, {"Python", "Pythons", 0, -1, -1},
                 {"abcabcab", "abc", 0, 0, 3}, {"aaaa", "aa", 1, 1, 3}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(cases); i++) {
        Py_ssize_t n = (Py_ssize_t)strlen(cases[i].in), k = (Py_ssize_t)strlen(cases[i].what);
        Py_ssize_t off = cases[i].offset;
        CHECK(_PyBytes_Find(cases[i].in, n, cases[i].what, k, off) == cases[i].first);
        CHECK(_PyBytes_ReverseFind(cases[i].in, n, cases[i].what, k, off) == cases[i].last);
    }
    Py_RETURN_NONE;
}

/* --- PyMutex ---------------------------------------------------------------------------------- */

static PyObject *
test_lock_basic(PyObject *m, PyObject *unused)
{
    PyMutex mutex = {0};
    CHECK(!PyMutex_IsLocked(&mutex));
    PyMutex_Lock(&mutex);
    CHECK(PyMutex_IsLocked(&mutex));
    PyMutex_Unlock(&mutex);
    CHECK(!PyMutex_IsLocked(&mutex));
    Py_RETURN_NONE;
}

typedef struct Shared {
    PyMutex mutex;
    int counter;
    int rounds;
    bool pause;
    int running; /* atomic */
    PyThread_type_lock done;
} Shared;

static void
count_up(void *arg)
{
    Shared *s = arg;
    for (int i = 0; i < s->rounds; i++) {
        PyMutex_Lock(&s->mutex);
        int was = s->counter;
        if (s->pause) {
            for (volatile int k = 0; k < 2000; k++) {
            }
        }
        s->counter = was + 1;
        PyMutex_Unlock(&s->mutex);
    }
    if (__atomic_sub_fetch(&s->running, 1, __ATOMIC_ACQ_REL) == 0) {
        PyThread_release_lock(s->done);
    }
}

static PyObject *
count_in_threads(int threads, int rounds, bool pause)
{
    Shared s = {.rounds = rounds, .pause = pause, .running = threads,
                .done = PyThread_allocate_lock()};
    if (!s.done) {
        return PyErr_NoMemory();
    }
    PyThread_acquire_lock(s.done, 1);
    for (int i = 0; i < threads; i++) {
        if (PyThread_start_new_thread(count_up, &s) == PYTHREAD_INVALID_THREAD_ID) {
            Py_FatalError("cannot start a thread"); /* others use this stack frame */
        }
    }
    Py_BEGIN_ALLOW_THREADS
    PyThread_acquire_lock(s.done, 1);
    Py_END_ALLOW_THREADS
    PyThread_release_lock(s.done);
    PyThread_free_lock(s.done);
    CHECK(s.counter == threads * rounds);
    Py_RETURN_NONE;
}

static PyObject *
test_lock_two_threads(PyObject *m, PyObject *unused)
{
    return count_in_threads(2, 1, true);
}

static PyObject *
test_lock_counter(PyObject *m, PyObject *unused)
{
    return count_in_threads(5, 10000, false);
}

static PyObject *
test_lock_counter_slow(PyObject *m, PyObject *unused)
{
    return count_in_threads(4, 100, true);
}

PyMethodDef selftest_methods[] = {
    {"test_long_numbits", test_long_numbits, METH_NOARGS},
    {"test_edit_cost", test_edit_cost, METH_NOARGS},
    {"test_tstate_capi", test_tstate_capi, METH_NOARGS},
    {"test_threadstate_set_stack_protection", test_threadstate_set_stack_protection,
     METH_NOARGS},
    {"test_critical_sections", test_critical_sections, METH_NOARGS},
    {"test_critical_sections_nest", test_critical_sections_nest, METH_NOARGS},
    {"test_critical_sections_threads", test_critical_sections_threads, METH_NOARGS},
    {"test_critical_sections_suspend", test_critical_sections_suspend, METH_NOARGS},
    {"test_critical_sections_gc", test_critical_sections_gc, METH_NOARGS},
    {"test_bytes_find", test_bytes_find, METH_NOARGS},
    {"test_lock_basic", test_lock_basic, METH_NOARGS},
    {"test_lock_two_threads", test_lock_two_threads, METH_NOARGS},
    {"test_lock_counter", test_lock_counter, METH_NOARGS},
    {"test_lock_counter_slow", test_lock_counter_slow, METH_NOARGS},
    {0},
};

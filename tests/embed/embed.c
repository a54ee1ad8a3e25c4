/* embed.c - a host program: start, run code in the main interpreter, in interpreters of
 * its own and from foreign threads, end; many times, and memory must not grow.
 *
 * usage: embed ROUNDS [INTERPRETERS]. Prints `growth: N bytes a round' and ends with 1 on a failure.
 * SPDX-License-Identifier: MIT
 */
#include <Python.h>

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 4 };
static int interpreters = 3;

static void
check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "embed: %s failed\n", what);
        if (Py_IsInitialized() && PyErr_Occurred()) {
            PyErr_Print();
        }
        exit(1);
    }
}

static const char work[] =
    "import sys, json, collections\n"
    "class Node:\n"
    "    def __init__(self): self.me = self; self.data = list(range(50))\n"
    "nodes = [Node() for _ in range(100)]\n"
    "text = json.dumps({'a': [1, 2.5, None, 'x' * 10]})\n"
    "assert json.loads(text)['a'][1] == 2.5\n"
    "def gen():\n"
    "    for i in range(10): yield i\n"
    "assert sum(gen()) == 45\n"
    "try: {}['k']\n"
    "except KeyError as e: pass\n";

static void *
foreign_thread(void *arg)
{
    for (int i = 0; i < 5; i++) {
        PyGILState_STATE state = PyGILState_Ensure();
        check(PyGILState_Check(), "PyGILState_Check");
        PyGILState_STATE inner = PyGILState_Ensure();
        check(inner == PyGILState_LOCKED, "nested PyGILState_Ensure");
        check(PyRun_SimpleString("counter.append(sum(range(100)))") == 0, "code in a thread");
        PyGILState_Release(inner);
        PyGILState_Release(state);
    }
    return NULL;
}

static void
round_trip(void)
{
    if (getenv("EMBED_MALLOC")) { /* for valgrind: every block from malloc */
        PyPreConfig pre;
        PyPreConfig_InitIsolatedConfig(&pre);
        pre.allocator = PYMEM_ALLOCATOR_MALLOC;
        check(!PyStatus_Exception(Py_PreInitialize(&pre)), "Py_PreInitialize");
    }
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    const char *home = getenv("EMBED_HOME");
    if (home) {
        check(!PyStatus_Exception(PyConfig_SetBytesString(&config, &config.home, home)), "home");
    }
    PyStatus status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) {
        Py_ExitStatusException(status);
    }
    check(PyRun_SimpleString(work) == 0, "code in the main interpreter");
    check(PyRun_SimpleString("counter = []") == 0, "code in the main interpreter");
    PyThreadState *main_state = PyThreadState_Get();

    for (int i = 0; i < interpreters; i++) {
        PyThreadState *sub = NULL;
        PyInterpreterConfig c = {
            .use_main_obmalloc = i == 0,
            .allow_threads = 1,
            .allow_daemon_threads = i == 0,
            .check_multi_interp_extensions = i != 0,
            .gil = i == 0 ? PyInterpreterConfig_SHARED_GIL : PyInterpreterConfig_OWN_GIL,
        };
        status = Py_NewInterpreterFromConfig(&sub, &c);
        check(!PyStatus_Exception(status) && sub, "Py_NewInterpreterFromConfig");
        check(PyRun_SimpleString(work) == 0, "code in an interpreter");
        check(PyRun_SimpleString("assert 'counter' not in globals()") == 0, "isolation");
        Py_EndInterpreter(sub);
        PyThreadState_Swap(main_state);
    }

    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        check(pthread_create(&threads[i], NULL, foreign_thread, NULL) == 0, "pthread_create");
    }
    Py_BEGIN_ALLOW_THREADS
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    Py_END_ALLOW_THREADS
    check(PyRun_SimpleString("assert counter == [4950] * 20, counter") == 0, "what threads left");
    check(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    check(!Py_IsInitialized(), "Py_IsInitialized");
}

static long
resident(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%*d %ld", &pages) != 1) {
            pages = 0;
        }
        fclose(f);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

int
main(int argc, char **argv)
{
    mallopt(M_ARENA_MAX, 1); /* else the figures depend on how threads meet in malloc */
    int rounds = argc > 1 ? atoi(argv[1]) : 100;
    if (argc > 2) {
        interpreters = atoi(argv[2]);
    }
    int warm = rounds / 2;
    long before = 0;
    size_t heap = 0;
    for (int i = 0; i < rounds; i++) {
        if (i == warm) {
            before = resident();
            heap = mallinfo2().uordblks;
        }
        round_trip();
    }
    long grown = (resident() - before) / (rounds - warm);
    printf("growth: %ld bytes a round resident, %ld in malloc\n", grown,
           ((long)mallinfo2().uordblks - (long)heap) / (rounds - warm));
    return grown > 4096;
}

/* resource.c - the resource module: limits and use of the process.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct {
    PyTypeObject *rusage;
} ModuleState;

static PyStructSequence_Field rusage_fields[] = {
    {"ru_utime", "user time used"},
    {"ru_stime", "system time used"},
    {"ru_maxrss", "max. resident set size"},
    {"ru_ixrss", "shared memory size"},
    {"ru_idrss", "unshared data size"},
    {"ru_isrss", "unshared stack size"},
    {"ru_minflt", "page faults not requiring I/O"},
    {"ru_majflt", "page faults requiring I/O"},
    {"ru_nswap", "number of swap outs"},
    {"ru_inblock", "block input operations"},
    {"ru_oublock", "block output operations"},
    {"ru_msgsnd", "IPC messages sent"},
    {"ru_msgrcv", "IPC messages received"},
    {"ru_nsignals", "signals received"},
    {"ru_nvcsw", "voluntary context switches"},
    {"ru_nivcsw", "involuntary context switches"},
    {NULL, NULL},
};
static PyStructSequence_Desc rusage_desc = {
    "resource.struct_rusage",
    "struct_rusage: Result from getrusage.\n\n"
    "Fields by position or as attributes ru_utime, ru_stime, ru_maxrss, and so on.",
    rusage_fields, 16};

static double
seconds(struct timeval tv)
{
    return (double)tv.tv_sec + (double)tv.tv_usec * 0.000001;
}

static PyObject *
resource_getrusage(PyObject *module, PyObject *arg)
{
    long who = PyLong_AsLong(arg);
    if (who == -1 && PyErr_Occurred()) {
        return NULL;
    }
    struct rusage ru;
    if (who != (int)who || getrusage((__rusage_who_t)who, &ru) < 0) {
        if (who != (int)who || errno == EINVAL) {
            PyErr_SetString(PyExc_ValueError, "invalid who parameter");
            return NULL;
        }
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    NJ_OWN r = PyStructSequence_New(((ModuleState *)PyModule_GetState(module))->rusage);
    if (!r) {
        return NULL;
    }
    PyStructSequence_SetItem(r, 0, PyFloat_FromDouble(seconds(ru.ru_utime)));
    PyStructSequence_SetItem(r, 1, PyFloat_FromDouble(seconds(ru.ru_stime)));
    const long values[] = {
        ru.ru_maxrss, ru.ru_ixrss,   ru.ru_idrss,  ru.ru_isrss,  ru.ru_minflt,
        ru.ru_majflt, ru.ru_nswap,   ru.ru_inblock, ru.ru_oublock, ru.ru_msgsnd,
        ru.ru_msgrcv, ru.ru_nsignals, ru.ru_nvcsw, ru.ru_nivcsw,
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(values); i++) {
        PyStructSequence_SetItem(r, (Py_ssize_t)i + 2, PyLong_FromLong(values[i]));
    }
    return PyErr_Occurred() ? NULL : NJ_TAKE(r);
}

static PyObject *
limit_object(rlim_t v)
{
    return v == RLIM_INFINITY ? PyLong_FromLong(-1) : PyLong_FromUnsignedLongLong(v);
}

static PyObject *
limit_pair(const struct rlimit *rl)
{
    return Py_BuildValue("NN", limit_object(rl->rlim_cur), limit_object(rl->rlim_max));
}

static int
to_limit(PyObject *v, rlim_t *out)
{
    NJ_OWN n = PyNumber_Index(v);
    if (!n) {
        return -1;
    }
    long long x = PyLong_AsLongLong(n);
    if (x == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        if (PyLong_IsNegative(n) > 0) {
            PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
            return -1;
        }
        unsigned long long u = PyLong_AsUnsignedLongLong(n);
        if (u == (unsigned long long)-1 && PyErr_Occurred()) {
            return -1;
        }
        *out = (rlim_t)u;
        return 0;
    }
    if (x < -1) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
        return -1;
    }
    *out = x == -1 ? RLIM_INFINITY : (rlim_t)x;
    return 0;
}

static int
to_limits(PyObject *v, struct rlimit *rl)
{
    NJ_OWN pair = PySequence_Tuple(v);
    if (!pair) {
        return -1;
    }
    if (PyTuple_GET_SIZE(pair) != 2) {
        PyErr_SetString(PyExc_ValueError, "expected a tuple of 2 integers");
        return -1;
    }
    return to_limit(PyTuple_GET_ITEM(pair, 0), &rl->rlim_cur) < 0
               ? -1
               : to_limit(PyTuple_GET_ITEM(pair, 1), &rl->rlim_max);
}

static int
to_resource(PyObject *v)
{
    long r = PyLong_AsLong(v);
    if (r == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (r < 0 || r >= RLIM_NLIMITS) {
        PyErr_SetString(PyExc_ValueError, "invalid resource specified");
        return -1;
    }
    return (int)r;
}

static PyObject *
resource_getrlimit(PyObject *module, PyObject *arg)
{
    struct rlimit rl;
    int r = to_resource(arg);
    if (r < 0) {
        return NULL;
    }
    return getrlimit((__rlimit_resource_t)r, &rl) < 0 ? PyErr_SetFromErrno(PyExc_OSError)
                                                      : limit_pair(&rl);
}

static PyObject *
raise_limit_error(void)
{
    if (errno == EINVAL) {
        PyErr_SetString(PyExc_ValueError, "current limit exceeds maximum limit");
        return NULL;
    }
    if (errno == EPERM) {
        PyErr_SetString(PyExc_ValueError, "not allowed to raise maximum limit");
        return NULL;
    }
    return PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *
resource_setrlimit(PyObject *module, PyObject *args)
{
    PyObject *which, *limits;
    struct rlimit rl;
    if (!PyArg_UnpackTuple(args, "setrlimit", 2, 2, &which, &limits)) {
        return NULL;
    }
    int r = to_resource(which);
    if (r < 0 ||
        PySys_Audit("resource.setrlimit", "iO", r, limits ? limits : Py_None) < 0 ||
        to_limits(limits, &rl) < 0) {
        return NULL;
    }
    if (setrlimit((__rlimit_resource_t)r, &rl) < 0) {
        return raise_limit_error();
    }
    Py_RETURN_NONE;
}

static PyObject *
resource_prlimit(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *which, *limits = Py_None;
    int pid;
    struct rlimit old, new;
    if (!_PyArg_ParseStack(args, nargs, "iO|O:prlimit", &pid, &which, &limits)) {
        return NULL;
    }
    int r = to_resource(which);
    if (r < 0 || PySys_Audit("resource.prlimit", "iiO", pid, r, limits) < 0 ||
        (limits != Py_None && to_limits(limits, &new) < 0)) {
        return NULL;
    }
    if (prlimit(pid, (__rlimit_resource_t)r, limits == Py_None ? NULL : &new, &old) < 0) {
        return errno == EINVAL ? raise_limit_error() : PyErr_SetFromErrno(PyExc_OSError);
    }
    return limit_pair(&old);
}

static PyObject *
resource_getpagesize(PyObject *module, PyObject *unused)
{
    return PyLong_FromLong(sysconf(_SC_PAGESIZE));
}

static PyMethodDef resource_methods[] = {
    {"getrusage", resource_getrusage, METH_O, "getrusage($module, who, /)\n--\n\n"},
    {"getrlimit", resource_getrlimit, METH_O, "getrlimit($module, resource, /)\n--\n\n"},
    {"prlimit", (PyCFunction)(void *)resource_prlimit, METH_FASTCALL,
     "prlimit($module, pid, resource, limits=None, /)\n--\n\n"},
    {"setrlimit", resource_setrlimit, METH_VARARGS,
     "setrlimit($module, resource, limits, /)\n--\n\n"},
    {"getpagesize", resource_getpagesize, METH_NOARGS, "getpagesize($module, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};

static int
resource_exec(PyObject *m)
{
    ModuleState *st = PyModule_GetState(m);
    st->rusage = PyStructSequence_NewType(&rusage_desc);
    if (!st->rusage ||
        PyModule_AddObjectRef(m, "struct_rusage", (PyObject *)st->rusage) < 0 ||
        PyModule_AddObjectRef(m, "error", PyExc_OSError) < 0) {
        return -1;
    }
    static const struct {
        const char *name;
        long value;
    } constants[] = {
        {"RLIMIT_CPU", RLIMIT_CPU},         {"RLIMIT_FSIZE", RLIMIT_FSIZE},
        {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_STACK", RLIMIT_STACK},
        {"RLIMIT_CORE", RLIMIT_CORE},       {"RLIMIT_NOFILE", RLIMIT_NOFILE},
        {"RLIMIT_OFILE", RLIMIT_OFILE},     {"RLIMIT_AS", RLIMIT_AS},
        {"RLIMIT_RSS", RLIMIT_RSS},         {"RLIMIT_NPROC", RLIMIT_NPROC},
        {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
        {"RLIMIT_NICE", RLIMIT_NICE},       {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
        {"RLIMIT_RTTIME", RLIMIT_RTTIME},   {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
        {"RUSAGE_SELF", RUSAGE_SELF},       {"RUSAGE_CHILDREN", RUSAGE_CHILDREN},
        {"RUSAGE_THREAD", RUSAGE_THREAD},   {"RLIM_INFINITY", -1},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_AddIntConstant(m, constants[i].name, constants[i].value) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
resource_traverse(PyObject *m, visitproc visit, void *arg)
{
    Py_VISIT(((ModuleState *)PyModule_GetState(m))->rusage);
    return 0;
}

static int
resource_clear(PyObject *m)
{
    Py_CLEAR(((ModuleState *)PyModule_GetState(m))->rusage);
    return 0;
}

static void
resource_free(void *m)
{
    (void)resource_clear(m);
}

static PyModuleDef_Slot resource_slots[] = {
    {Py_mod_exec, resource_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef resource_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "resource",
    .m_size = sizeof(ModuleState),
    .m_methods = resource_methods,
    .m_slots = resource_slots,
    .m_traverse = resource_traverse,
    .m_clear = resource_clear,
    .m_free = resource_free,
};

PyMODINIT_FUNC PyInit_resource(void);

PyMODINIT_FUNC
PyInit_resource(void)
{
    return PyModuleDef_Init(&resource_module);
}

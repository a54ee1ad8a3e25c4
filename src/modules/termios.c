/* termios.c - the termios module: terminal attributes.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include <sys/ioctl.h>
#include <termios.h>

#include <linux/serial.h>
#include <linux/tty.h>

typedef struct TermiosState {
    PyObject *error;
} TermiosState;

static TermiosState *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

static PyObject *
os_failure(PyObject *module)
{
    return PyErr_SetFromErrno(state_of(module)->error);
}

static int
fd_converter(PyObject *o, void *out)
{
    int fd = PyObject_AsFileDescriptor(o);
    *(int *)out = fd;
    return fd != -1;
}

static PyObject *
termios_tcgetattr(PyObject *module, PyObject *arg)
{
    int fd = PyObject_AsFileDescriptor(arg), r;
    struct termios t;
    if (fd == -1) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = tcgetattr(fd, &t);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return os_failure(module);
    }
    NJ_OWN cc = PyList_New(NCCS);
    if (!cc) {
        return NULL;
    }
    for (int i = 0; i < NCCS; i++) {
        /* outside canonical mode these two are counts */
        bool count = !(t.c_lflag & ICANON) && (i == VMIN || i == VTIME);
        char c = (char)t.c_cc[i];
        PyObject *v = count ? PyLong_FromLong(t.c_cc[i]) : PyBytes_FromStringAndSize(&c, 1);
        if (!v) {
            return NULL;
        }
        PyList_SET_ITEM(cc, i, v);
    }
    return Py_BuildValue("[kkkkkkO]", (unsigned long)t.c_iflag, (unsigned long)t.c_oflag,
                         (unsigned long)t.c_cflag, (unsigned long)t.c_lflag,
                         (unsigned long)cfgetispeed(&t), (unsigned long)cfgetospeed(&t),
                         cc);
}

static PyObject *
termios_tcsetattr(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    int fd, when, r;
    PyObject *list;
    if (!_PyArg_ParseStack(args, nargs, "O&iO:tcsetattr", fd_converter, &fd, &when, &list)) {
        return NULL;
    }
    if (!PyList_Check(list) || PyList_GET_SIZE(list) != 7) {
        PyErr_SetString(PyExc_TypeError, "tcsetattr, arg 3: must be 7 element list");
        return NULL;
    }
    /* start from the present values: the structure has fields that the list lacks */
    struct termios t;
    Py_BEGIN_ALLOW_THREADS
    r = tcgetattr(fd, &t);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return os_failure(module);
    }
    NJ_OWN items = PyList_AsTuple(list);
    if (!items || PyTuple_GET_SIZE(items) != 7) {
        return NULL;
    }
    long v[6];
    for (int i = 0; i < 6; i++) {
        v[i] = PyLong_AsLong(PyTuple_GET_ITEM(items, i));
        if (v[i] == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    t.c_iflag = (tcflag_t)v[0];
    t.c_oflag = (tcflag_t)v[1];
    t.c_cflag = (tcflag_t)v[2];
    t.c_lflag = (tcflag_t)v[3];
    PyObject *cc = PyTuple_GET_ITEM(items, 6);
    if (!PyList_Check(cc) || PyList_GET_SIZE(cc) != NCCS) {
        PyErr_Format(PyExc_TypeError,
                     "tcsetattr: attributes[6] must be %d element list", NCCS);
        return NULL;
    }
    for (int i = 0; i < NCCS; i++) {
        PyObject *c = PyList_GetItem(cc, i);
        if (!c) {
            return NULL;
        }
        if (PyBytes_Check(c) && PyBytes_GET_SIZE(c) == 1) {
            t.c_cc[i] = (cc_t)*PyBytes_AS_STRING(c);
        } else if (PyLong_Check(c)) {
            long n = PyLong_AsLong(c);
            if (n == -1 && PyErr_Occurred()) {
                return NULL;
            }
            t.c_cc[i] = (cc_t)n;
        } else {
            PyErr_SetString(PyExc_TypeError, "tcsetattr: elements of attributes must be "
                                             "characters or integers");
            return NULL;
        }
    }
    if (cfsetispeed(&t, (speed_t)v[4]) < 0 || cfsetospeed(&t, (speed_t)v[5]) < 0) {
        return os_failure(module);
    }
    Py_BEGIN_ALLOW_THREADS
    r = tcsetattr(fd, when, &t);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return os_failure(module);
    }
    Py_RETURN_NONE;
}

/* The functions of a descriptor and one int. */
static PyObject *
simple_call(PyObject *module, PyObject *args, const char *format, int (*call)(int, int))
{
    int fd, value, r;
    if (!PyArg_ParseTuple(args, format, fd_converter, &fd, &value)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = call(fd, value);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return os_failure(module);
    }
    Py_RETURN_NONE;
}

static PyObject *
termios_tcsendbreak(PyObject *module, PyObject *args)
{
    return simple_call(module, args, "O&i:tcsendbreak", tcsendbreak);
}

static PyObject *
termios_tcflush(PyObject *module, PyObject *args)
{
    return simple_call(module, args, "O&i:tcflush", tcflush);
}

static PyObject *
termios_tcflow(PyObject *module, PyObject *args)
{
    return simple_call(module, args, "O&i:tcflow", tcflow);
}

static PyObject *
termios_tcdrain(PyObject *module, PyObject *arg)
{
    int fd = PyObject_AsFileDescriptor(arg), r;
    if (fd == -1) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = tcdrain(fd);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return os_failure(module);
    }
    Py_RETURN_NONE;
}

static PyObject *
termios_tcgetwinsize(PyObject *module, PyObject *arg)
{
    int fd = PyObject_AsFileDescriptor(arg);
    struct winsize w;
    if (fd == -1) {
        return NULL;
    }
    if (ioctl(fd, TIOCGWINSZ, &w) < 0) {
        return os_failure(module);
    }
    return Py_BuildValue("(ii)", w.ws_row, w.ws_col);
}

static PyObject *
termios_tcsetwinsize(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    int fd;
    PyObject *size;
    if (!_PyArg_ParseStack(args, nargs, "O&O:tcsetwinsize", fd_converter, &fd, &size)) {
        return NULL;
    }
    if (!PySequence_Check(size) || PySequence_Size(size) != 2) {
        PyErr_SetString(PyExc_TypeError,
                        "tcsetwinsize, arg 2: must be a two-item sequence");
        return NULL;
    }
    long v[2];
    for (int i = 0; i < 2; i++) {
        NJ_OWN item = PySequence_GetItem(size, i);
        if (!item) {
            return NULL;
        }
        v[i] = PyLong_AsLong(item);
        if (v[i] == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    /* keeps the sizes in pixels */
    struct winsize w;
    if (ioctl(fd, TIOCGWINSZ, &w) < 0) {
        return os_failure(module);
    }
    w.ws_row = (unsigned short)v[0];
    w.ws_col = (unsigned short)v[1];
    if (w.ws_row != v[0] || w.ws_col != v[1]) {
        PyErr_SetString(PyExc_OverflowError, "winsize value(s) out of range.");
        return NULL;
    }
    if (ioctl(fd, TIOCSWINSZ, &w) < 0) {
        return os_failure(module);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"tcgetattr", termios_tcgetattr, METH_O,
     "tcgetattr($module, fd, /)\n--\n\nGet the attributes of a terminal."},
    {"tcsetattr", (PyCFunction)(void *)termios_tcsetattr, METH_FASTCALL,
     "tcsetattr($module, fd, when, attributes, /)\n--\n\nSet a terminal's attributes."},
    {"tcsendbreak", termios_tcsendbreak, METH_VARARGS,
     "tcsendbreak($module, fd, duration, /)\n--\n\nSend a break."},
    {"tcdrain", termios_tcdrain, METH_O,
     "tcdrain($module, fd, /)\n--\n\nWait until all output has been transmitted."},
    {"tcflush", termios_tcflush, METH_VARARGS,
     "tcflush($module, fd, queue, /)\n--\n\nDiscard queued data."},
    {"tcflow", termios_tcflow, METH_VARARGS,
     "tcflow($module, fd, action, /)\n--\n\nSuspend or resume input or output."},
    {"tcgetwinsize", termios_tcgetwinsize, METH_O,
     "tcgetwinsize($module, fd, /)\n--\n\nGet the window size (rows, columns)."},
    {"tcsetwinsize", (PyCFunction)(void *)termios_tcsetwinsize, METH_FASTCALL,
     "tcsetwinsize($module, fd, winsize, /)\n--\n\nSet the window size."},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    long long value;
} constants[] = {
#define N(n) {#n, (long long)n},
#include "modules/termios_names.inc"
#undef N
};

static int
module_exec(PyObject *module)
{
    TermiosState *st = state_of(module);
    st->error = PyErr_NewException("termios.error", NULL, NULL);
    if (!st->error || PyModule_AddObjectRef(module, "error", st->error) < 0) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_Add(module, constants[i].name,
                         PyLong_FromLongLong(constants[i].value)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    Py_VISIT(state_of(module)->error);
    return 0;
}

static int
module_clear(PyObject *module)
{
    Py_CLEAR(state_of(module)->error);
    return 0;
}

static void
module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "termios",
    .m_doc = "Interface to the POSIX calls for terminal I/O control.",
    .m_size = sizeof(TermiosState),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit_termios(void);

PyMODINIT_FUNC
PyInit_termios(void)
{
    return PyModuleDef_Init(&module_def);
}

/* pwd.c - the pwd module: the password database.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <errno.h>
#include <pwd.h>
#include <unistd.h>

typedef struct PwdState {
    PyTypeObject *type;
} PwdState;

static PwdState *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

static PyStructSequence_Field fields[] = {
    {"pw_name", "user name"},     {"pw_passwd", "password"}, {"pw_uid", "user id"},
    {"pw_gid", "group id"},       {"pw_gecos", "real name"}, {"pw_dir", "home directory"},
    {"pw_shell", "shell program"}, {NULL, NULL},
};

static PyStructSequence_Desc desc = {
    "pwd.struct_passwd",
    "pwd.struct_passwd: Results from getpw*() routines.\n\n"
    "This object may be accessed either as a tuple of\n"
    "  (pw_name,pw_passwd,pw_uid,pw_gid,pw_gecos,pw_dir,pw_shell)\n"
    "or via the object attributes as named in the above tuple.",
    fields, 7,
};

static PyObject *
text(const char *s)
{
    return s ? PyUnicode_DecodeFSDefault(s) : Py_NewRef(Py_None);
}

static PyObject *
id_object(unsigned id)
{
    return id == (unsigned)-1 ? PyLong_FromLong(-1) : PyLong_FromUnsignedLong(id);
}

static PyObject *
make_entry(PyObject *module, const struct passwd *p)
{
    NJ_OWN v = PyStructSequence_New(state_of(module)->type);
    if (!v) {
        return NULL;
    }
    PyObject *items[] = {text(p->pw_name),  text(p->pw_passwd), id_object(p->pw_uid),
                         id_object(p->pw_gid), text(p->pw_gecos), text(p->pw_dir),
                         text(p->pw_shell)};
    for (int i = 0; i < 7; i++) {
        PyStructSequence_SetItem(v, i, items[i]);
    }
    return PyErr_Occurred() ? NULL : NJ_TAKE(v);
}

/* Looks up by name (or by uid when name is NULL). *found NULL: no entry. 0, or -1 without
 * memory; *buffer is owned by the caller. */
static int
look_up(const char *name, uid_t uid, struct passwd *entry, struct passwd **found,
        char **buffer)
{
    for (size_t size = 1024;; size *= 2) {
        char *bigger = PyMem_RawRealloc(*buffer, size);
        if (!bigger) {
            PyErr_NoMemory();
            return -1;
        }
        *buffer = bigger;
        int r;
        Py_BEGIN_ALLOW_THREADS
        r = name ? getpwnam_r(name, entry, bigger, size, found)
                 : getpwuid_r(uid, entry, bigger, size, found);
        Py_END_ALLOW_THREADS
        if (r != ERANGE) {
            if (r) {
                *found = NULL;
            }
            return 0;
        }
        if (size > 1 << 26) {
            PyErr_NoMemory();
            return -1;
        }
    }
}

static void
free_raw(char **p)
{
    PyMem_RawFree(*p);
}

static PyObject *
pwd_getpwuid(PyObject *module, PyObject *arg)
{
    if (!PyIndex_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "uid should be integer, not %.200s",
                     Py_TYPE(arg)->tp_name);
        return NULL;
    }
    NJ_OWN index = PyNumber_Index(arg);
    if (!index) {
        return NULL;
    }
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(index, &overflow);
    if (overflow || v < -1 || v > (long long)UINT32_MAX) {
        PyErr_SetString(PyExc_KeyError, "getpwuid(): uid not found");
        return NULL;
    }
    __attribute__((cleanup(free_raw))) char *buffer = NULL;
    struct passwd entry, *found = NULL;
    if (look_up(NULL, (uid_t)v, &entry, &found, &buffer) < 0) {
        return NULL;
    }
    if (!found) {
        NJ_OWN uid = id_object((unsigned)v);
        if (uid) {
            PyErr_Format(PyExc_KeyError, "getpwuid(): uid not found: %S", uid);
        }
        return NULL;
    }
    return make_entry(module, found);
}

static PyObject *
pwd_getpwnam(PyObject *module, PyObject *arg)
{
    if (!PyUnicode_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "getpwnam() argument must be str, not %.50s",
                     arg == Py_None ? "None" : Py_TYPE(arg)->tp_name);
        return NULL;
    }
    NJ_OWN bytes = PyUnicode_EncodeFSDefault(arg);
    char *name;
    if (!bytes || PyBytes_AsStringAndSize(bytes, &name, NULL) < 0) {
        return NULL;
    }
    __attribute__((cleanup(free_raw))) char *buffer = NULL;
    struct passwd entry, *found = NULL;
    if (look_up(name, 0, &entry, &found, &buffer) < 0) {
        return NULL;
    }
    if (!found) {
        PyErr_Format(PyExc_KeyError, "getpwnam(): name not found: %R", arg);
        return NULL;
    }
    return make_entry(module, found);
}

static PyObject *
pwd_getpwall(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    setpwent();
    struct passwd *p;
    while ((p = getpwent())) {
        NJ_OWN v = make_entry(module, p);
        if (!v || PyList_Append(list, v) < 0) {
            endpwent();
            return NULL;
        }
    }
    endpwent();
    return NJ_TAKE(list);
}

static PyMethodDef methods[] = {
    {"getpwuid", pwd_getpwuid, METH_O,
     "getpwuid($module, uidobj, /)\n--\n\nThe password database entry of a user id."},
    {"getpwnam", pwd_getpwnam, METH_O,
     "getpwnam($module, name, /)\n--\n\nThe password database entry of a user name."},
    {"getpwall", pwd_getpwall, METH_NOARGS,
     "getpwall($module, /)\n--\n\nAll password database entries, in arbitrary order."},
    {NULL, NULL, 0, NULL},
};

static int
module_exec(PyObject *module)
{
    PwdState *st = state_of(module);
    st->type = PyStructSequence_NewType(&desc);
    return st->type ? PyModule_AddType(module, st->type) : -1;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    Py_VISIT(state_of(module)->type);
    return 0;
}

static int
module_clear(PyObject *module)
{
    Py_CLEAR(state_of(module)->type);
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
    .m_name = "pwd",
    .m_doc = "Access to the Unix password database.",
    .m_size = sizeof(PwdState),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit_pwd(void);

PyMODINIT_FUNC
PyInit_pwd(void)
{
    return PyModuleDef_Init(&module_def);
}

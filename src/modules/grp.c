/* grp.c - the grp module: the group database.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include <errno.h>
#include <grp.h>
#include <unistd.h>

typedef struct GrpState {
    PyTypeObject *type;
} GrpState;

static GrpState *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

static PyStructSequence_Field fields[] = {
    {"gr_name", "group name"},
    {"gr_passwd", "password"},
    {"gr_gid", "group id"},
    {"gr_mem", "group members"},
    {NULL, NULL},
};

static PyStructSequence_Desc desc = {
    "grp.struct_group",
    "grp.struct_group: Results from getgr*() routines.\n\n"
    "This object may be accessed either as a tuple of\n"
    "  (gr_name,gr_passwd,gr_gid,gr_mem)\n"
    "or via the object attributes as named in the above tuple.\n",
    fields, 4,
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
make_entry(PyObject *module, const struct group *g)
{
    NJ_OWN members = PyList_New(0);
    if (!members) {
        return NULL;
    }
    for (char **p = g->gr_mem; p && *p; p++) {
        NJ_OWN name = PyUnicode_DecodeFSDefault(*p);
        if (!name || PyList_Append(members, name) < 0) {
            return NULL;
        }
    }
    NJ_OWN v = PyStructSequence_New(state_of(module)->type);
    if (!v) {
        return NULL;
    }
    PyStructSequence_SetItem(v, 0, text(g->gr_name));
    PyStructSequence_SetItem(v, 1, text(g->gr_passwd));
    PyStructSequence_SetItem(v, 2, id_object(g->gr_gid));
    PyStructSequence_SetItem(v, 3, NJ_TAKE(members));
    return PyErr_Occurred() ? NULL : NJ_TAKE(v);
}

/* Looks up by name (or by gid when name is NULL). *found NULL: no entry. 0, or -1 without
 * memory; *buffer is owned by the caller. */
static int
look_up(const char *name, gid_t gid, struct group *entry, struct group **found,
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
        r = name ? getgrnam_r(name, entry, bigger, size, found)
                 : getgrgid_r(gid, entry, bigger, size, found);
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
grp_getgrgid(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"id", NULL};
    static const NjParams params = {"getgrgid", names, 1, 1, 0};
    PyObject *arg;
    if (nj_args_bind(&params, args, nargs, kwnames, &arg) < 0) {
        return NULL;
    }
    if (!PyIndex_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "gid should be integer, not %.200s",
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
        PyErr_SetString(PyExc_OverflowError, "gid is less than minimum");
        return NULL;
    }
    __attribute__((cleanup(free_raw))) char *buffer = NULL;
    struct group entry, *found = NULL;
    if (look_up(NULL, (gid_t)v, &entry, &found, &buffer) < 0) {
        return NULL;
    }
    if (!found) {
        NJ_OWN gid = id_object((unsigned)v);
        if (gid) {
            PyErr_Format(PyExc_KeyError, "getgrgid(): gid not found: %S", gid);
        }
        return NULL;
    }
    return make_entry(module, found);
}

static PyObject *
grp_getgrnam(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"name", NULL};
    static const NjParams params = {"getgrnam", names, 1, 1, 0};
    PyObject *arg;
    if (nj_args_bind(&params, args, nargs, kwnames, &arg) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(arg)) {
        _PyArg_BadArgument("getgrnam", "argument 'name'", "str", arg);
        return NULL;
    }
    NJ_OWN bytes = PyUnicode_EncodeFSDefault(arg);
    char *name;
    if (!bytes || PyBytes_AsStringAndSize(bytes, &name, NULL) < 0) {
        return NULL;
    }
    __attribute__((cleanup(free_raw))) char *buffer = NULL;
    struct group entry, *found = NULL;
    if (look_up(name, 0, &entry, &found, &buffer) < 0) {
        return NULL;
    }
    if (!found) {
        PyErr_Format(PyExc_KeyError, "getgrnam(): name not found: %R", arg);
        return NULL;
    }
    return make_entry(module, found);
}

static PyObject *
grp_getgrall(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    setgrent();
    struct group *g;
    while ((g = getgrent())) {
        NJ_OWN v = make_entry(module, g);
        if (!v || PyList_Append(list, v) < 0) {
            endgrent();
            return NULL;
        }
    }
    endgrent();
    return NJ_TAKE(list);
}

static PyMethodDef methods[] = {
    {"getgrgid", (PyCFunction)(void (*)(void))grp_getgrgid, METH_FASTCALL | METH_KEYWORDS,
     "getgrgid($module, /, id)\n--\n\nThe group database entry of a group id."},
    {"getgrnam", (PyCFunction)(void (*)(void))grp_getgrnam, METH_FASTCALL | METH_KEYWORDS,
     "getgrnam($module, /, name)\n--\n\nThe group database entry of a group name."},
    {"getgrall", grp_getgrall, METH_NOARGS,
     "getgrall($module, /)\n--\n\nAll group entries, in arbitrary order."},
    {NULL, NULL, 0, NULL},
};

static int
module_exec(PyObject *module)
{
    GrpState *st = state_of(module);
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
    .m_name = "grp",
    .m_doc = "Access to the Unix group database.",
    .m_size = sizeof(GrpState),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit_grp(void);

PyMODINIT_FUNC
PyInit_grp(void)
{
    return PyModuleDef_Init(&module_def);
}

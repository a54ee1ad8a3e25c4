/* legacy.c - the last corners of the exported API: functions of the stable ABI that the
 * headers no longer declare, and small ones that belong to no other file.
 *
 * Packaged extensions built long ago still link to the first kind.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/type_int.h"
#include "runtime/runtime.h"
#include "vm/vm.h"

#include <limits.h>

/* --- the GIL by its old names ----------------------------------------------------------- */

PyAPI_FUNC(int) PyEval_ThreadsInitialized(void);
int
PyEval_ThreadsInitialized(void)
{
    return nj_runtime.main != NULL;
}

PyAPI_FUNC(void) PyEval_AcquireLock(void);
void
PyEval_AcquireLock(void)
{
    PyThreadState *ts = PyGILState_GetThisThreadState();
    if (!ts) {
        _Py_FatalErrorFunc(__func__, "current thread state is NULL");
    }
    if (nj_tstate() != ts) {
        PyEval_RestoreThread(ts);
    }
}

PyAPI_FUNC(void) PyEval_ReleaseLock(void);
void
PyEval_ReleaseLock(void)
{
    if (nj_tstate()) {
        PyEval_SaveThread();
    }
}

PyAPI_FUNC(PyThreadState *) _PyThreadState_Prealloc(PyInterpreterState *interp);
PyThreadState *
_PyThreadState_Prealloc(PyInterpreterState *interp)
{
    return nj_tstate_new(interp, 0); /* bound by the thread that will use it */
}

PyAPI_FUNC(void) _PyThreadState_Init(PyThreadState *ts);
void
_PyThreadState_Init(PyThreadState *ts)
{
    _Py_FatalErrorFunc(__func__, "_PyThreadState_Init() is for internal use only");
}

/* --- sys by its old names ------------------------------------------------------------------ */

static PyObject *
list_of(const char *name)
{
    PyObject *v = PySys_GetObject(name);
    if (v && PyList_Check(v)) {
        return v;
    }
    NJ_OWN list = PyList_New(0);
    if (!list || PySys_SetObject(name, list) < 0) {
        PyErr_Clear();
        return NULL;
    }
    return PySys_GetObject(name);
}

PyAPI_FUNC(void) PySys_AddWarnOptionUnicode(PyObject *option);
void
PySys_AddWarnOptionUnicode(PyObject *option)
{
    PyObject *list = list_of("warnoptions");
    if (!list || PyList_Append(list, option) < 0) {
        PyErr_Clear();
    }
}

PyAPI_FUNC(void) PySys_AddWarnOption(const wchar_t *s);
void
PySys_AddWarnOption(const wchar_t *s)
{
    if (!nj_tstate()) {
        return; /* before the start there is PyConfig.warnoptions */
    }
    NJ_OWN text = PyUnicode_FromWideChar(s, -1);
    if (text) {
        PySys_AddWarnOptionUnicode(text);
    }
    else {
        PyErr_Clear();
    }
}

PyAPI_FUNC(int) PySys_HasWarnOptions(void);
int
PySys_HasWarnOptions(void)
{
    PyObject *v = nj_tstate() ? PySys_GetObject("warnoptions") : NULL;
    return v && PyList_Check(v) && PyList_GET_SIZE(v) > 0;
}

PyAPI_FUNC(void) PySys_AddXOption(const wchar_t *s);
void
PySys_AddXOption(const wchar_t *s)
{
    PyObject *d = nj_tstate() ? PySys_GetXOptions() : NULL;
    if (!d || !PyDict_Check(d)) {
        return;
    }
    const wchar_t *eq = wcschr(s, L'=');
    NJ_OWN k = PyUnicode_FromWideChar(s, eq ? eq - s : -1);
    NJ_OWN v = eq ? PyUnicode_FromWideChar(eq + 1, -1) : Py_NewRef(Py_True);
    if (!k || !v || PyDict_SetItem(d, k, v) < 0) {
        PyErr_Clear();
    }
}

PyAPI_FUNC(void) PySys_SetPath(const wchar_t *path);
void
PySys_SetPath(const wchar_t *path)
{
    NJ_OWN list = PyList_New(0);
    while (list) {
        const wchar_t *colon = wcschr(path, L':');
        NJ_OWN item = PyUnicode_FromWideChar(path, colon ? colon - path : -1);
        if (!item || PyList_Append(list, item) < 0) {
            break;
        }
        if (!colon) {
            if (PySys_SetObject("path", list) < 0) {
                break;
            }
            return;
        }
        path = colon + 1;
    }
    Py_FatalError("can't assign sys.path");
}

PyAPI_FUNC(void) Py_SetPath(const wchar_t *path);
void
Py_SetPath(const wchar_t *path)
{
    if (nj_tstate() && path) {
        PySys_SetPath(path); /* before the start there is PyConfig.module_search_paths */
    }
}

/* --- others -------------------------------------------------------------------------------------- */

int
PyCompile_OpcodeStackEffectWithJump(int opcode, int oparg, int jump)
{
    int n = nj_opcode_stack_effect(opcode, oparg, jump);
    return n == INT_MAX ? PY_INVALID_STACK_EFFECT : n;
}

int
PyCompile_OpcodeStackEffect(int opcode, int oparg)
{
    return PyCompile_OpcodeStackEffectWithJump(opcode, oparg, -1);
}

/* module.c - _testinternalcapi: what the library's regression tests ask about the inside.
 *
 * Functions that have a meaning for this engine answer truthfully, through exported API
 * where there is some and through nj_test_hooks elsewhere; the others do not exist.
 * SPDX-License-Identifier: MIT
 */
#include "module.h"

#include <errno.h>
#include <opcode.h>
#include <time.h>

static State *
state_of(PyObject *m)
{
    return PyModule_GetState(m);
}

/* --- the stack ------------------------------------------------------------------------------ */

static PyObject *
get_recursion_depth(PyObject *m, PyObject *unused)
{
    PyThreadState *ts = PyThreadState_Get();
    return PyLong_FromLong(ts->py_recursion_limit - ts->py_recursion_remaining);
}

/* The margin below which C recursion is refused, in bytes, and what fits above it. */
#define STACK_MARGIN (2048 * sizeof(void *))

static PyObject *
get_c_recursion_remaining(PyObject *m, PyObject *unused)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), limit = HOOKS->stack_soft_limit();
    return PyLong_FromLong(here > limit ? (long)((here - limit) / STACK_MARGIN * 50) : 0);
}

static PyObject *
get_stack_pointer(PyObject *m, PyObject *unused)
{
    return PyLong_FromSize_t((uintptr_t)__builtin_frame_address(0));
}

static PyObject *
get_stack_margin(PyObject *m, PyObject *unused)
{
    return PyLong_FromSize_t(STACK_MARGIN);
}

/* --- frames --------------------------------------------------------------------------------- */

static struct _PyInterpreterFrame *
iframe_of(PyObject *o)
{
    if (!PyFrame_Check(o)) {
        PyErr_SetString(PyExc_TypeError, "argument must be a frame");
        return NULL;
    }
    return ((struct { PyObject_HEAD PyFrameObject *back; struct _PyInterpreterFrame *f; } *)o)->f;
}

static PyObject *
iframe_getcode(PyObject *m, PyObject *o)
{
    struct _PyInterpreterFrame *f = iframe_of(o);
    return f ? PyUnstable_InterpreterFrame_GetCode(f) : NULL;
}

static PyObject *
iframe_getline(PyObject *m, PyObject *o)
{
    struct _PyInterpreterFrame *f = iframe_of(o);
    return f ? PyLong_FromLong(PyUnstable_InterpreterFrame_GetLine(f)) : NULL;
}

static PyObject *
iframe_getlasti(PyObject *m, PyObject *o)
{
    struct _PyInterpreterFrame *f = iframe_of(o);
    return f ? PyLong_FromLong(PyUnstable_InterpreterFrame_GetLasti(f)) : NULL;
}

#define RECORD_KEY "_testinternalcapi.record"

static PyObject *
record_eval(PyThreadState *ts, struct _PyInterpreterFrame *f, int exc)
{
    PyObject *d = PyInterpreterState_GetDict(ts->interp);
    PyObject *list = d ? PyDict_GetItemString(d, RECORD_KEY) : NULL;
    NJ_OWN code = PyUnstable_InterpreterFrame_GetCode(f);
    if (list && PyList_Check(list) && code &&
        PyList_Append(list, ((PyCodeObject *)code)->co_name) < 0) {
        PyErr_Clear();
    }
    return _PyEval_EvalFrameDefault(ts, f, exc);
}

/* From now on names of entered functions are appended to the list. */
static PyObject *
set_eval_frame_record(PyObject *m, PyObject *list)
{
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "argument must be a list");
        return NULL;
    }
    PyInterpreterState *interp = PyInterpreterState_Get();
    PyObject *d = PyInterpreterState_GetDict(interp);
    if (!d || PyDict_SetItemString(d, RECORD_KEY, list) < 0) {
        return NULL;
    }
    _PyInterpreterState_SetEvalFrameFunc(interp, record_eval);
    Py_RETURN_NONE;
}

static PyObject *
set_eval_frame_default(PyObject *m, PyObject *unused)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    _PyInterpreterState_SetEvalFrameFunc(interp, _PyEval_EvalFrameDefault);
    PyObject *d = PyInterpreterState_GetDict(interp);
    if (d && PyDict_PopString(d, RECORD_KEY, NULL) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- code objects ----------------------------------------------------------------------------- */

static PyCodeObject *
code_of(PyObject *o)
{
    if (!PyCode_Check(o)) {
        PyErr_SetString(PyExc_TypeError, "argument must be a code object");
        return NULL;
    }
    return (PyCodeObject *)o;
}

static PyObject *
get_co_framesize(PyObject *m, PyObject *o)
{
    PyCodeObject *co = code_of(o);
    return co ? PyLong_FromLong(co->co_framesize) : NULL;
}

static PyObject *
get_co_localskinds(PyObject *m, PyObject *o)
{
    PyCodeObject *co = code_of(o);
    NJ_OWN kinds = co ? PyDict_New() : NULL;
    for (int i = 0; kinds && i < co->co_nlocalsplus; i++) {
        const char *k = PyBytes_AS_STRING(co->co_localspluskinds);
        NJ_OWN kind = PyLong_FromLong((unsigned char)k[i]);
        if (!kind ||
            PyDict_SetItem(kinds, PyTuple_GET_ITEM(co->co_localsplusnames, i), kind) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(kinds);
}

/* Whether every return of the code gives None. */
static PyObject *
code_returns_only_none(PyObject *m, PyObject *o)
{
    PyCodeObject *co = code_of(o);
    int rc = co ? HOOKS->code_returns_only_none(co) : -1;
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

/* Namespaces default to those of a function. */
static PyCodeObject *
code_and_namespaces(PyObject *o, PyObject **globals, PyObject **builtins)
{
    if (PyFunction_Check(o)) {
        if (!*globals) {
            *globals = PyFunction_GET_GLOBALS(o);
        }
        if (!*builtins) {
            *builtins = ((PyFunctionObject *)o)->func_builtins;
        }
        return (PyCodeObject *)PyFunction_GET_CODE(o);
    }
    if (PyCode_Check(o)) {
        return (PyCodeObject *)o;
    }
    PyErr_SetString(PyExc_TypeError, "argument must be a code object or a function");
    return NULL;
}

static PyObject *
get_code_var_counts(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"code", "globalnames", "attrnames", "globalsns", "builtinsns",
                            NULL};
    PyObject *o, *globalnames = NULL, *attrnames = NULL, *globals = NULL, *builtins = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|OOO!O!:get_code_var_counts", names, &o,
                                     &globalnames, &attrnames, &PyDict_Type, &globals,
                                     &PyDict_Type, &builtins)) {
        return NULL;
    }
    PyCodeObject *co = code_and_namespaces(o, &globals, &builtins);
    return co ? HOOKS->code_var_counts(co, globalnames, attrnames, globals, builtins) : NULL;
}

static PyObject *
verify_stateless_code(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"code", "globalnames", "globalsns", "builtinsns", NULL};
    PyObject *o, *globalnames = NULL, *globals = NULL, *builtins = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|O!O!O!:get_code_var_counts", names, &o,
                                     &PySet_Type, &globalnames, &PyDict_Type, &globals,
                                     &PyDict_Type, &builtins)) {
        return NULL;
    }
    PyCodeObject *co = code_and_namespaces(o, &globals, &builtins);
    if (!co || HOOKS->code_check_stateless(co, globalnames, globals, builtins) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- objects ------------------------------------------------------------------------------------ */

static PyObject *
is_static_immortal(PyObject *m, PyObject *o)
{
    return PyBool_FromLong(_Py_IsStaticImmortal(o));
}

static PyObject *
has_inline_values(PyObject *m, PyObject *o)
{
    return PyBool_FromLong(HOOKS->inline_values(o));
}

static PyObject *
has_split_table(PyObject *m, PyObject *o)
{
    return PyBool_FromLong(PyDict_Check(o) && HOOKS->split_dict(o));
}

static PyObject *
get_object_dict_values(PyObject *m, PyObject *o)
{
    return HOOKS->dict_values(o);
}

static PyObject *
get_next_dict_keys_version(PyObject *m, PyObject *unused)
{
    return PyLong_FromUInt32(HOOKS->next_keys_version());
}

static PyObject *
get_static_builtin_types(PyObject *m, PyObject *unused)
{
    return HOOKS->static_types();
}

static PyObject *
identify_type_slot_wrappers(PyObject *m, PyObject *unused)
{
    return HOOKS->slot_names();
}

static PyObject *
call_nothing(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_RETURN_NONE;
}

/* Makes calls of a Python function do nothing. */
static PyObject *
set_vectorcall_nop(PyObject *m, PyObject *o)
{
    if (!PyFunction_Check(o)) {
        PyErr_SetString(PyExc_TypeError, "expected function");
        return NULL;
    }
    PyFunction_SetVectorcall((PyFunctionObject *)o, call_nothing);
    Py_RETURN_NONE;
}

/* Counting of references is never put off in a build with a GIL. */
static PyObject *
has_deferred_refcount(PyObject *m, PyObject *o)
{
    Py_RETURN_FALSE;
}

static PyObject *
type_assign_specific_version_unsafe(PyObject *m, PyObject *args)
{
    PyObject *type;
    unsigned int version;
    if (!PyArg_ParseTuple(args, "O!I:type_assign_specific_version_unsafe", &PyType_Type, &type,
                          &version)) {
        return NULL;
    }
    ((PyTypeObject *)type)->tp_version_tag = version;
    Py_RETURN_NONE;
}

static PyObject *
dict_getitem_knownhash(PyObject *m, PyObject *args)
{
    PyObject *d, *key;
    Py_ssize_t hash;
    if (!PyArg_ParseTuple(args, "OOn:dict_getitem_knownhash", &d, &key, &hash)) {
        return NULL;
    }
    PyObject *v = _PyDict_GetItem_KnownHash(d, key, (Py_hash_t)hash);
    if (!v && !PyErr_Occurred()) {
        PyErr_SetObject(PyExc_KeyError, key);
    }
    return Py_XNewRef(v);
}

static PyObject *
nullable(PyObject *o)
{
    return o == Py_None ? NULL : o;
}

static PyObject *
set_update(PyObject *m, PyObject *args)
{
    PyObject *set, *iterable;
    if (!PyArg_ParseTuple(args, "OO:set_update", &set, &iterable)) {
        return NULL;
    }
    int rc = _PySet_Update(nullable(set), nullable(iterable));
    return rc < 0 ? NULL : PyLong_FromLong(rc);
}

static PyObject *
set_next_entry(PyObject *m, PyObject *args)
{
    PyObject *set, *item = NULL;
    Py_ssize_t pos;
    Py_hash_t hash = 0;
    if (!PyArg_ParseTuple(args, "On:set_next_entry", &set, &pos)) {
        return NULL;
    }
    int rc = _PySet_NextEntry(nullable(set), &pos, &item, &hash);
    if (rc == 1) {
        return Py_BuildValue("innO", rc, pos, hash, item);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
pyerr_setkeyerror(PyObject *m, PyObject *o)
{
    _PyErr_SetKeyError(nullable(o));
    return NULL;
}

PyAPI_FUNC(Py_complex) _Py_cr_sum(Py_complex a, double b);
PyAPI_FUNC(Py_complex) _Py_cr_diff(Py_complex a, double b);
PyAPI_FUNC(Py_complex) _Py_rc_diff(double a, Py_complex b);
PyAPI_FUNC(Py_complex) _Py_cr_prod(Py_complex a, double b);
PyAPI_FUNC(Py_complex) _Py_cr_quot(Py_complex a, double b);
PyAPI_FUNC(Py_complex) _Py_rc_quot(double a, Py_complex b);

#define MIXED(suffix, CR, call)                                                \
    static PyObject *py_##suffix(PyObject *m, PyObject *args)                          \
    {                                                                                  \
        Py_complex z;                                                                  \
        double x;                                                                      \
        if (!(CR ? PyArg_ParseTuple(args, "Dd", &z, &x)                                \
                 : PyArg_ParseTuple(args, "dD", &x, &z))) {                            \
            return NULL;                                                               \
        }                                                                              \
        errno = 0;                                                                     \
        Py_complex r = call;                                                           \
        return Py_BuildValue("Di", &r, errno);                                         \
    }
MIXED(cr_sum, 1, _Py_cr_sum(z, x))
MIXED(cr_diff, 1, _Py_cr_diff(z, x))
MIXED(rc_diff, 0, _Py_rc_diff(x, z))
MIXED(cr_prod, 1, _Py_cr_prod(z, x))
MIXED(cr_quot, 1, _Py_cr_quot(z, x))
MIXED(rc_quot, 0, _Py_rc_quot(x, z))

/* --- the process --------------------------------------------------------------------------------- */

static PyObject *
pymem_getallocatorsname(PyObject *m, PyObject *unused)
{
    const char *name = _PyMem_GetCurrentAllocatorName();
    if (!name) {
        PyErr_SetString(PyExc_RuntimeError, "cannot get allocators name");
        return NULL;
    }
    return PyUnicode_FromString(name);
}

PyAPI_FUNC(int) _PyObject_IsFreed(PyObject *op);

static PyObject *
require_freed(PyObject *op)
{
    if (!_PyObject_IsFreed(op)) {
        PyErr_SetString(PyExc_AssertionError, "object is not seen as freed");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
check_pyobject_null_is_freed(PyObject *m, PyObject *unused)
{
    return require_freed(NULL);
}

/* The objects of these three are never made or no more: nobody may look at them after. */
static PyObject *
check_pyobject_uninitialized_is_freed(PyObject *m, PyObject *unused)
{
    PyObject *op = PyObject_Malloc(sizeof(PyObject));
    if (!op) {
        return PyErr_NoMemory();
    }
    Py_SET_REFCNT(op, 1);
    return require_freed(op);
}

static PyObject *
check_pyobject_forbidden_bytes_is_freed(PyObject *m, PyObject *unused)
{
    PyObject *op = PyObject_Malloc(offsetof(PyObject, ob_type)); /* the rest is guard bytes */
    if (!op) {
        return PyErr_NoMemory();
    }
    Py_SET_REFCNT(op, 1);
    return require_freed(op);
}

static PyObject *
check_pyobject_freed_is_freed(PyObject *m, PyObject *unused)
{
    PyObject *op = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    if (!op) {
        return NULL;
    }
    Py_TYPE(op)->tp_dealloc(op);
    return require_freed(op);
}

/* The parser's tuple of names outlives the interpreter in which it was first used. */
static PyObject *
gh_119213_getargs(PyObject *m, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"spam", NULL};
    static _PyArg_Parser parser = {.format = "|O:gh_119213_getargs", .keywords = names};
    PyObject *spam = Py_None;
    if (!_PyArg_ParseTupleAndKeywordsFast(args, kwds, &parser, &spam)) {
        return NULL;
    }
    return Py_NewRef(spam);
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* the flags */
static PyObject *
global_config(void)
{
    return Py_BuildValue("{sisisisisisisisisisisisisisi}", "Py_DebugFlag", Py_DebugFlag,
                         "Py_VerboseFlag", Py_VerboseFlag, "Py_QuietFlag", Py_QuietFlag,
                         "Py_InteractiveFlag", Py_InteractiveFlag, "Py_InspectFlag",
                         Py_InspectFlag, "Py_OptimizeFlag", Py_OptimizeFlag, "Py_NoSiteFlag",
                         Py_NoSiteFlag, "Py_BytesWarningFlag", Py_BytesWarningFlag,
                         "Py_FrozenFlag", Py_FrozenFlag, "Py_IgnoreEnvironmentFlag",
                         Py_IgnoreEnvironmentFlag, "Py_DontWriteBytecodeFlag",
                         Py_DontWriteBytecodeFlag, "Py_NoUserSiteDirectory",
                         Py_NoUserSiteDirectory, "Py_UnbufferedStdioFlag",
                         Py_UnbufferedStdioFlag, "Py_IsolatedFlag", Py_IsolatedFlag);
}

static PyObject *
get_configs(PyObject *m, PyObject *unused)
{
    NJ_OWN global = global_config();
    NJ_OWN config = PyDict_New();
    NJ_OWN names = global && config ? PyConfig_Names() : NULL;
    NJ_OWN it = names ? PyObject_GetIter(names) : NULL;
    if (!it) {
        return NULL;
    }
    for (;;) {
        NJ_OWN name = PyIter_Next(it);
        if (!name) {
            break;
        }
        const char *s = PyUnicode_AsUTF8(name);
        NJ_OWN v = s ? PyConfig_Get(s) : NULL;
        if (!v || PyDict_SetItem(config, name, v) < 0) {
            return NULL;
        }
    }
    return PyErr_Occurred() ? NULL
                            : Py_BuildValue("{sOsO}", "global_config", global, "config", config);
}

static PyObject *
clear_extension(PyObject *m, PyObject *args)
{
    PyObject *name, *path;
    if (!PyArg_ParseTuple(args, "OO:clear_extension", &name, &path) ||
        HOOKS->import_forget(path, name) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
get_long_lived_total(PyObject *m, PyObject *unused)
{
    return PyLong_FromSsize_t(HOOKS->gc_long_lived());
}

static PyObject *
get_tracked_heap_size(PyObject *m, PyObject *unused)
{
    return PyLong_FromSsize_t(HOOKS->gc_tracked());
}

static PyObject *
write_perf_map_entry(PyObject *m, PyObject *args)
{
    PyObject *addr;
    unsigned int size;
    const char *name;
    if (!PyArg_ParseTuple(args, "OIs:write_perf_map_entry", &addr, &size, &name)) {
        return NULL;
    }
    void *p = PyLong_AsVoidPtr(addr);
    if (PyErr_Occurred()) {
        return NULL;
    }
    int rc = PyUnstable_WritePerfMapEntry(p, size, name);
    if (rc < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return NULL;
    }
    return PyLong_FromLong(rc);
}

static PyObject *
perf_map_state_teardown(PyObject *m, PyObject *unused)
{
    PyUnstable_PerfMapState_Fini();
    Py_RETURN_NONE;
}

/* --- the compiler ---------------------------------------------------------------------------------- */

static PyObject *
new_instruction_sequence(PyObject *m, PyObject *unused)
{
    return instrseq_new(state_of(m)->instrseq);
}

static PyObject *
new_hamt(PyObject *m, PyObject *unused)
{
    return _PyContext_NewHamtForTests();
}

static PyObject *
compiler_cleandoc(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"doc", NULL};
    PyObject *doc;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "U:compiler_cleandoc", names, &doc)) {
        return NULL;
    }
    return HOOKS->clean_docstring(doc);
}

static PyObject *
compiler_codegen(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"ast", "filename", "optimize", "compile_mode", NULL};
    PyObject *ast, *filename;
    int optimize, mode = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OOi|i:compiler_codegen", names, &ast,
                                     &filename, &optimize, &mode)) {
        return NULL;
    }
    NJ_OWN kept = HOOKS->codegen(ast, filename, optimize, mode);
    NJ_OWN seq = kept ? instrseq_from(state_of(m)->instrseq, PyTuple_GET_ITEM(kept, 0),
                                      PyTuple_GET_ITEM(kept, 1))
                      : NULL;
    return seq ? PyTuple_Pack(2, seq, PyTuple_GET_ITEM(kept, 2)) : NULL;
}

static PyObject *
seq_code(PyObject *m, PyObject *o)
{
    if (!Py_IS_TYPE(o, state_of(m)->instrseq)) {
        PyErr_SetString(PyExc_ValueError, "expected an instruction sequence");
        return NULL;
    }
    return instrseq_code(o);
}

static PyObject *
optimize_cfg(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"instructions", "consts", "nlocals", NULL};
    PyObject *seq, *consts;
    int nlocals;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OOi:optimize_cfg", names, &seq, &consts,
                                     &nlocals)) {
        return NULL;
    }
    if (!PyList_Check(consts)) {
        PyErr_SetString(PyExc_TypeError, "consts must be a list");
        return NULL;
    }
    NJ_OWN code = seq_code(m, seq);
    NJ_OWN out = code ? HOOKS->optimize(code, consts, nlocals) : NULL;
    return out ? instrseq_from(state_of(m)->instrseq, out, NULL) : NULL;
}

static PyObject *
assemble_code_object(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"filename", "instructions", "metadata", NULL};
    PyObject *filename, *seq, *metadata;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "UOO!:assemble_code_object", names, &filename,
                                     &seq, &PyDict_Type, &metadata)) {
        return NULL;
    }
    NJ_OWN code = seq_code(m, seq);
    return code ? HOOKS->assemble(filename, code, metadata) : NULL;
}

PyAPI_FUNC(PyObject *) _PyTraceMalloc_GetTraceback(unsigned int domain, uintptr_t ptr);

static PyObject *
tracemalloc_traceback(PyObject *Py_UNUSED(m), PyObject *args)
{
    unsigned int domain;
    PyObject *address;
    if (!PyArg_ParseTuple(args, "IO", &domain, &address)) {
        return NULL;
    }
    void *ptr = PyLong_AsVoidPtr(address);
    if (PyErr_Occurred()) {
        return NULL;
    }
    return _PyTraceMalloc_GetTraceback(domain, (uintptr_t)ptr);
}

/* --- the module ---------------------------------------------------------------------------------------- */

#define KW(f) ((PyCFunction)(void (*)(void))(f)), METH_VARARGS | METH_KEYWORDS
static PyMethodDef methods[] = {
    {"_PyTraceMalloc_GetTraceback", tracemalloc_traceback, METH_VARARGS, NULL},
    {"get_recursion_depth", get_recursion_depth, METH_NOARGS},
    {"get_c_recursion_remaining", get_c_recursion_remaining, METH_NOARGS},
    {"get_stack_pointer", get_stack_pointer, METH_NOARGS},
    {"get_stack_margin", get_stack_margin, METH_NOARGS},
    {"iframe_getcode", iframe_getcode, METH_O},
    {"iframe_getline", iframe_getline, METH_O},
    {"iframe_getlasti", iframe_getlasti, METH_O},
    {"set_eval_frame_record", set_eval_frame_record, METH_O},
    {"set_eval_frame_default", set_eval_frame_default, METH_NOARGS},
    {"get_co_framesize", get_co_framesize, METH_O},
    {"get_co_localskinds", get_co_localskinds, METH_O},
    {"code_returns_only_none", code_returns_only_none, METH_O},
    {"get_code_var_counts", KW(get_code_var_counts)},
    {"verify_stateless_code", KW(verify_stateless_code)},
    {"is_static_immortal", is_static_immortal, METH_O},
    {"has_inline_values", has_inline_values, METH_O},
    {"has_split_table", has_split_table, METH_O},
    {"get_object_dict_values", get_object_dict_values, METH_O},
    {"get_next_dict_keys_version", get_next_dict_keys_version, METH_NOARGS},
    {"get_static_builtin_types", get_static_builtin_types, METH_NOARGS},
    {"identify_type_slot_wrappers", identify_type_slot_wrappers, METH_NOARGS},
    {"set_vectorcall_nop", set_vectorcall_nop, METH_O},
    {"has_deferred_refcount", has_deferred_refcount, METH_O},
    {"hamt", new_hamt, METH_NOARGS},
    {"type_assign_specific_version_unsafe", type_assign_specific_version_unsafe, METH_VARARGS},
    {"dict_getitem_knownhash", dict_getitem_knownhash, METH_VARARGS},
    {"set_update", set_update, METH_VARARGS},
    {"set_next_entry", set_next_entry, METH_VARARGS},
    {"_pyerr_setkeyerror", pyerr_setkeyerror, METH_O},
    {"_py_cr_sum", py_cr_sum, METH_VARARGS},
    {"_py_cr_diff", py_cr_diff, METH_VARARGS},
    {"_py_rc_diff", py_rc_diff, METH_VARARGS},
    {"_py_cr_prod", py_cr_prod, METH_VARARGS},
    {"_py_cr_quot", py_cr_quot, METH_VARARGS},
    {"_py_rc_quot", py_rc_quot, METH_VARARGS},
    {"pymem_getallocatorsname", pymem_getallocatorsname, METH_NOARGS},
    {"check_pyobject_null_is_freed", check_pyobject_null_is_freed, METH_NOARGS},
    {"check_pyobject_uninitialized_is_freed", check_pyobject_uninitialized_is_freed,
     METH_NOARGS},
    {"check_pyobject_forbidden_bytes_is_freed", check_pyobject_forbidden_bytes_is_freed,
     METH_NOARGS},
    {"check_pyobject_freed_is_freed", check_pyobject_freed_is_freed, METH_NOARGS},
    {"gh_119213_getargs", KW(gh_119213_getargs)},
    {"get_configs", get_configs, METH_NOARGS},
    {"clear_extension", clear_extension, METH_VARARGS},
    {"get_long_lived_total", get_long_lived_total, METH_NOARGS},
    {"get_tracked_heap_size", get_tracked_heap_size, METH_NOARGS},
    {"write_perf_map_entry", write_perf_map_entry, METH_VARARGS},
    {"perf_map_state_teardown", perf_map_state_teardown, METH_NOARGS},
    {"new_instruction_sequence", new_instruction_sequence, METH_NOARGS},
    {"compiler_cleandoc", KW(compiler_cleandoc)},
    {"compiler_codegen", KW(compiler_codegen)},
    {"optimize_cfg", KW(optimize_cfg)},
    {"assemble_code_object", KW(assemble_code_object)},
    {0},
};

static int
module_exec(PyObject *m)
{
    State *s = state_of(m);
    s->instrseq = (PyTypeObject *)PyType_FromModuleAndSpec(m, &instrseq_spec, NULL);
    if (!s->instrseq ||
        PyModule_AddFunctions(m, interp_methods) < 0 ||
        PyModule_AddFunctions(m, time_methods) < 0 ||
        PyModule_AddIntConstant(m, "SIZEOF_PYOBJECT", sizeof(PyObject)) < 0 ||
        PyModule_AddFunctions(m, selftest_methods) < 0 ||
        PyModule_AddIntConstant(m, "SIZEOF_PYGC_HEAD", 2 * sizeof(void *)) < 0 ||
        PyModule_AddIntConstant(m, "SIZEOF_MANAGED_PRE_HEADER", 2 * sizeof(void *)) < 0 ||
        PyModule_AddIntConstant(m, "SIZEOF_TIME_T", sizeof(time_t)) < 0 ||
        PyModule_AddIntConstant(m, "SHARED_KEYS_MAX_SIZE", HOOKS->shared_keys_max) < 0 ||
        PyModule_AddIntConstant(m, "SPECIALIZATION_THRESHOLD", HOOKS->specialize_after) < 0 ||
        PyModule_AddIntConstant(m, "SPECIALIZATION_COOLDOWN", HOOKS->respecialize_after) < 0 ||
        /* Loop rounds before a second tier compiles; the tests that count skip without one. */
        PyModule_AddIntConstant(m, "TIER2_THRESHOLD", 4096) < 0) {
        return -1;
    }
    return 0;
}

static int
module_traverse(PyObject *m, visitproc visit, void *arg)
{
    Py_VISIT(state_of(m)->instrseq);
    return 0;
}

static int
module_clear(PyObject *m)
{
    Py_CLEAR(state_of(m)->instrseq);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0},
};

static PyModuleDef def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_testinternalcapi",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC
PyInit__testinternalcapi(void)
{
    return PyModuleDef_Init(&def);
}

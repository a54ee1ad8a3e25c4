/* wrappers_runtime.h - more of what no plain signature says: errors, running code, frames,
 * modules, threads, interpreters, configuration. Included by capifuzz.c.
 * SPDX-License-Identifier: MIT
 */

/* --- errors ------------------------------------------------------------------------------------ */

static PyObject *
fz_fetch(PyObject *type, PyObject *value, int normalize)
{
    PyObject *t, *v, *tb;
    if (!type || !PyExceptionClass_Check(type)) {
        return NONE;
    }
    PyErr_Restore(Py_NewRef(type), Py_XNewRef(value), NULL);
    PyErr_Fetch(&t, &v, &tb);
    if (normalize & 1) {
        PyErr_NormalizeException(&t, &v, &tb);
    }
    PyObject *r = Py_BuildValue("OOO", t, v ? v : Py_None, tb ? tb : Py_None);
    Py_XDECREF(t);
    Py_XDECREF(v);
    Py_XDECREF(tb);
    return r;
}

static PyObject *
fz_handled(PyObject *exc, int which)
{
    PyObject *t, *v, *tb;
    if (!exc || !PyExceptionInstance_Check(exc)) {
        return NONE;
    }
    if (which & 1) {
        PyErr_SetExcInfo(Py_NewRef(Py_TYPE(exc)), Py_NewRef(exc), NULL);
    }
    else {
        PyErr_SetHandledException(exc);
    }
    PyErr_GetExcInfo(&t, &v, &tb);
    PyErr_SetString(PyExc_KeyError, "while handling");
    PyObject *raised = PyErr_GetRaisedException(), *context = PyException_GetContext(raised),
             *now = PyErr_GetHandledException();
    PyObject *r = Py_BuildValue("OOOiO", t ? t : Py_None, v ? v : Py_None, context ? context : Py_None, now == exc,
                                raised);
    PyErr_SetHandledException(NULL);
    Py_XDECREF(t);
    Py_XDECREF(v);
    Py_XDECREF(tb);
    Py_XDECREF(context);
    Py_XDECREF(now);
    Py_DECREF(raised);
    return r;
}

static PyObject *
fz_errno(PyObject *type, int number, PyObject *a, PyObject *b, int which)
{
    if (!type || !PyExceptionClass_Check(type)) {
        return NONE;
    }
    errno = number & 63;
    return which % 5 == 0   ? PyErr_SetFromErrno(type)
           : which % 5 == 1 ? PyErr_SetFromErrnoWithFilename(type, "file")
           : which % 5 == 2 ? PyErr_SetFromErrnoWithFilenameObject(type, a)
           : which % 5 == 3 ? PyErr_SetFromErrnoWithFilenameObjects(type, a, b)
                            : PyErr_SetFromErrnoWithFilename(type, NULL);
}

static PyObject *
fz_syntax_location(PyObject *o, int line, int column, int which)
{
    PyErr_SetObject(PyExc_SyntaxError, o ? o : Py_None);
    switch (which % 4) {
    case 0: PyErr_SyntaxLocation("nosuch.py", line); break;
    case 1: PyErr_SyntaxLocationEx("nosuch.py", line, column); break;
    case 2: PyErr_SyntaxLocationObject(o && PyUnicode_Check(o) ? o : Py_None, line, column); break;
    default: PyErr_RangedSyntaxLocationObject(o && PyUnicode_Check(o) ? o : Py_None, line, column, line, column + 1);
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *r = PyObject_GetAttrString(exc, "lineno"), *s = PyObject_GetAttrString(exc, "offset"),
             *t = PyObject_GetAttrString(exc, "filename"), *u = PyObject_GetAttrString(exc, "text");
    Py_DECREF(exc);
    return r && s && t && u ? Py_BuildValue("NNNN", r, s, t, u) : (PyErr_Clear(), NONE);
}

static PyObject *
fz_program_text(int line)
{
    char name[] = "/tmp/capifuzzXXXXXX";
    int fd = mkstemp(name);
    if (fd < 0 || write(fd, "one\ntwo \xc3\xa9\n\nfour", 17) != 17) {
        return NONE;
    }
    close(fd);
    PyObject *path = PyUnicode_FromString(name);
    PyObject *a = PyErr_ProgramText(name, line), *b = PyErr_ProgramTextObject(path, line);
    PyObject *r = PyErr_Occurred() ? NULL : Py_BuildValue("OO", a ? a : Py_None, b ? b : Py_None);
    Py_XDECREF(a);
    Py_XDECREF(b);
    Py_DECREF(path);
    unlink(name);
    return r;
}

/* What is written to sys.stderr or sys.stdout meanwhile. */
static PyObject *
start_capture(const char *stream)
{
    PyObject *io = PyImport_ImportModule("io");
    PyObject *buffer = PyObject_CallMethod(io, "StringIO", NULL);
    Py_DECREF(io);
    PySys_SetObject(stream, buffer);
    return buffer;
}

static PyObject *
end_capture(const char *stream, PyObject *buffer)
{
    PyObject *exc = PyErr_GetRaisedException();
    PySys_SetObject(stream, Py_None);
    PyObject *text = PyObject_CallMethod(buffer, "getvalue", NULL);
    Py_DECREF(buffer);
    if (exc) {
        Py_XDECREF(text);
        PyErr_SetRaisedException(exc);
        return NULL;
    }
    return text;
}

static PyObject *
fz_display(PyObject *exc, PyObject *msg, int which)
{
    if (!exc || !PyExceptionInstance_Check(exc) || (msg && !PyUnicode_Check(msg)) ||
        PyErr_GivenExceptionMatches(exc, PyExc_SystemExit)) {
        return NONE;
    }
    PyObject *buffer = start_capture("stderr");
    switch (which % 6) {
    case 0: PyErr_DisplayException(exc); break;
    case 1: PyErr_Display(NULL, exc, NULL); break;
    case 2: PyErr_SetRaisedException(Py_NewRef(exc)); PyErr_Print(); break;
    case 3: PyErr_SetRaisedException(Py_NewRef(exc)); PyErr_PrintEx(0); break;
    case 4: PyErr_SetRaisedException(Py_NewRef(exc)); PyErr_WriteUnraisable(msg); break;
    default:
        PyErr_SetRaisedException(Py_NewRef(exc));
        PyErr_FormatUnraisable(msg ? "In %R" : NULL, msg);
    }
    PyObject *text = end_capture("stderr", buffer);
    /* its last line: the place of a traceback is that of the fuzzer */
    PyObject *lines = text ? PyUnicode_Splitlines(text, 0) : NULL;
    Py_ssize_t n = lines ? PyList_GET_SIZE(lines) : 0;
    PyObject *r = n ? Py_BuildValue("OO", PyList_GET_ITEM(lines, n - 1), n > 1 ? PyList_GET_ITEM(lines, 0) : Py_None)
                    : Py_XNewRef(text);
    Py_XDECREF(lines);
    Py_XDECREF(text);
    return r;
}

static PyObject *
fz_warn_more(PyObject *o, PyObject *category, const char *name, int which)
{
    PyObject *buffer = start_capture("stderr");
    int rc = which & 1 ? PyErr_ResourceWarning(o, 1, "left %A", o ? o : Py_None)
                       : PyErr_WarnExplicitFormat(category, name ? name : "f", 5, NULL, NULL, "of %s", name ? name : "");
    PyObject *text = end_capture("stderr", buffer);
    if (rc < 0 || which & 1) {
        Py_XDECREF(text);
        return rc < 0 ? NULL : NONE;
    }
    return text;
}

PyAPI_FUNC(void) _PyErr_ChainExceptions1(PyObject *);
PyAPI_FUNC(PyObject *) _PyErr_FormatFromCause(PyObject *, const char *, ...);
PyAPI_FUNC(void) _PyErr_SetKeyError(PyObject *);
PyAPI_FUNC(int) _PyEval_SliceIndex(PyObject *, Py_ssize_t *);
PyAPI_FUNC(int) _PyGen_FetchStopIterationValue(PyObject **);

static PyObject *
fz_chain(PyObject *exc, PyObject *o, int which)
{
    if (!exc || !PyExceptionInstance_Check(exc) || !o) {
        return NONE;
    }
    switch (which % 4) {
    case 0:
        PyErr_SetString(PyExc_ValueError, "second");
        _PyErr_ChainExceptions1(Py_NewRef(exc));
        return NULL;
    case 1: PyErr_SetRaisedException(Py_NewRef(exc)); return _PyErr_FormatFromCause(PyExc_TypeError, "because %A", o);
    case 2: _PyErr_SetKeyError(o); return NULL;
    default: {
        PyObject *value = NULL;
        PyErr_SetRaisedException(Py_NewRef(exc));
        return _PyGen_FetchStopIterationValue(&value) < 0 ? NULL : value;
    }
    }
}

static PyObject *
fz_slice_index(PyObject *o)
{
    Py_ssize_t n = -7;
    return _PyEval_SliceIndex(o, &n) ? PyLong_FromSsize_t(n) : NULL;
}

static PyObject *
fz_reraise_star(PyObject *orig, PyObject *excs)
{
    return orig && excs ? PyUnstable_Exc_PrepReraiseStar(orig, excs) : NONE;
}

/* --- calls and running code ---------------------------------------------------------------------- */

PyAPI_FUNC(PyObject *) PyEval_CallObjectWithKeywords(PyObject *, PyObject *, PyObject *);
PyAPI_FUNC(PyObject *) PyEval_CallFunction(PyObject *, const char *, ...);
PyAPI_FUNC(PyObject *) PyEval_CallMethod(PyObject *, const char *, const char *, ...);
PyAPI_FUNC(PyObject *) _PyObject_CallFunction_SizeT(PyObject *, const char *, ...);
PyAPI_FUNC(PyObject *) _PyObject_CallMethod_SizeT(PyObject *, const char *, const char *, ...);
PyAPI_FUNC(PyObject *) _Py_BuildValue_SizeT(const char *, ...);
PyAPI_FUNC(PyObject *) _Py_CheckFunctionResult(PyThreadState *, PyObject *, PyObject *, const char *);
PyAPI_FUNC(PyObject *) _PyObject_MakeTpCall(PyThreadState *, PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

static PyObject *
fz_call_old(PyObject *f, PyObject *args, PyObject *kw, const char *name, int which)
{
    if (!f || !args) {
        return NONE;
    }
    switch (which % 6) {
    case 0: return PyEval_CallObjectWithKeywords(f, args, kw);
    case 1: return PyEval_CallFunction(f, "(Oi)", args, 3);
    case 2: return name ? PyEval_CallMethod(f, name, "(O)", args) : NONE;
    case 3: return _PyObject_CallFunction_SizeT(f, "Os#", args, "text", (Py_ssize_t)2);
    case 4: return name ? _PyObject_CallMethod_SizeT(f, name, "O", args) : NONE;
    default: {
        PyObject *a[] = {args};
        return _PyObject_MakeTpCall(PyThreadState_Get(), f, a, 1, kw && PyDict_Check(kw) ? kw : NULL);
    }
    }
}

static PyObject *
fz_function_result(PyObject *f, PyObject *result, int raised)
{
    if (!f) {
        return NONE;
    }
    if (raised & 1) {
        PyErr_SetString(PyExc_KeyError, "set");
    }
    return _Py_CheckFunctionResult(PyThreadState_Get(), f, Py_XNewRef(result), NULL);
}

static PyObject *
build_va(const char *format, ...)
{
    va_list va;
    va_start(va, format);
    PyObject *r = Py_VaBuildValue(format, va);
    va_end(va);
    return r;
}

static PyObject *
fz_build_more(PyObject *o, const char *s, Py_ssize_t n, int which)
{
    return which & 1 ? build_va("[(O){s:i}y#]", o ? o : Py_None, s, which, s, n)
                     : _Py_BuildValue_SizeT("(Os#[y#])", o ? o : Py_None, "abc", (Py_ssize_t)2, s, n);
}

PyAPI_FUNC(int) _PyArg_Parse_SizeT(PyObject *, const char *, ...);
PyAPI_FUNC(int) _PyArg_ParseTuple_SizeT(PyObject *, const char *, ...);
PyAPI_FUNC(int) _PyArg_ParseTupleAndKeywords_SizeT(PyObject *, PyObject *, const char *, const char *const *, ...);

static int
parse_va(int which, PyObject *args, PyObject *kw, const char *format, ...)
{
    static const char *const names[] = {"a", "b", NULL};
    va_list va;
    va_start(va, format);
    int rc = which & 1 ? PyArg_VaParseTupleAndKeywords(args, kw, format, (char **)names, va) : PyArg_VaParse(args, format, va);
    va_end(va);
    return rc;
}

static PyObject *
fz_parse_more(PyObject *args, PyObject *kw, int which)
{
    static const char *const names[] = {"a", "b", NULL};
    PyObject *a = NULL, *b = NULL;
    const char *s = NULL;
    Py_ssize_t n = -7;
    int i = -7, rc;
    if (!args || (which % 6 && !PyTuple_Check(args)) || (kw && !PyDict_Check(kw))) {
        return NONE;
    }
    switch (which % 6) {
    case 0: rc = PyArg_Parse(args, "i", &i); break;
    case 1: rc = parse_va(1, args, kw, "O|O:name", &a, &b); break;
    case 2: rc = parse_va(2, args, kw, "O|i;message", &a, &i); break;
    case 3: rc = _PyArg_Parse_SizeT(args, "(O)", &a); break;
    case 4: rc = _PyArg_ParseTuple_SizeT(args, "s#|O", &s, &n, &b); break;
    default: rc = _PyArg_ParseTupleAndKeywords_SizeT(args, kw, "O|$i", names, &a, &i); break;
    }
    return rc ? Py_BuildValue("OOin", a ? a : Py_None, b ? b : Py_None, i, n) : NULL;
}

static PyObject *
own_globals(PyObject *globals)
{
    return globals && PyDict_CheckExact(globals) ? PyDict_Copy(globals) : PyDict_New();
}

static PyObject *
fz_eval_code(PyObject *code, PyObject *globals, PyObject *locals, PyObject *a, int which)
{
    if (!code || !PyCode_Check(code)) {
        return NONE;
    }
    PyObject *g = own_globals(globals);
    PyObject *args[] = {a ? a : Py_None, Py_True}, *kw[] = {PyUnicode_FromString("c"), Py_True};
    PyObject *r = which & 1 ? PyEval_EvalCode(code, g, locals && PyMapping_Check(locals) ? locals : NULL)
                            : PyEval_EvalCodeEx(code, g, NULL, args, which % 3, kw, which & 4 ? 1 : 0, args + 1, which & 2 ? 1 : 0,
                                                NULL, NULL);
    Py_DECREF(kw[0]);
    Py_DECREF(g);
    return r;
}

static PyObject *
fz_run_more(int source, int which, PyObject *globals)
{
    static const char *const sources[] = {"1+1\n", "x = 3\n", "nosuch\n", "1/0\n", "(\n", "print('shown')\n", "import sys\n"};
    PyObject *g = own_globals(globals);
    char *text = strdup(sources[source]);
    FILE *f = fmemopen(text, strlen(text), "r");
    PyObject *out = start_capture("stdout"), *err = start_capture("stderr"), *value = NULL;
    int rc = -7;
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    switch (which % 12) {
    case 0: value = (PyRun_File)(f, "f", Py_file_input, g, g); break;
    case 1: value = (PyRun_FileEx)(f, "f", Py_file_input, g, g, 0); break;
    case 2: value = (PyRun_FileFlags)(f, "f", Py_file_input, g, g, &flags); break;
    case 3: value = PyRun_FileExFlags(f, "f", Py_file_input, g, g, 0, &flags); break;
    case 4: rc = (PyRun_SimpleString)(text); break;
    case 5: rc = PyRun_SimpleStringFlags(text, &flags); break;
    case 6: rc = (PyRun_SimpleFile)(f, "f"); break;
    case 7: rc = (PyRun_SimpleFileEx)(f, "f", 0); break;
    case 8: rc = (PyRun_AnyFile)(f, "f"); break;
    case 9: rc = PyRun_AnyFileExFlags(f, "f", 0, &flags); break;
    case 10: value = PyRun_StringFlags(text, Py_eval_input, g, g, &flags); break;
    default: rc = PyRun_SimpleFileExFlags(f, "f", 0, &flags); break;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *printed = end_capture("stdout", out), *errors = end_capture("stderr", err);
    PyObject *lines = PyUnicode_Splitlines(errors, 0);
    PyObject *last = PyList_GET_SIZE(lines) ? PyList_GET_ITEM(lines, PyList_GET_SIZE(lines) - 1) : Py_None;
    PyObject *r = exc ? NULL : Py_BuildValue("iOOO", rc, value ? value : Py_None, printed, last);
    PyErr_SetRaisedException(exc);
    fclose(f);
    free(text);
    Py_XDECREF(value);
    Py_XDECREF(printed);
    Py_XDECREF(errors);
    Py_DECREF(lines);
    Py_DECREF(g);
    return r;
}

static PyObject *
fz_compile_more(const char *s, PyObject *name, int start, int which)
{
    static const int starts[] = {Py_eval_input, Py_file_input, Py_single_input};
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    if (!s) {
        return NONE;
    }
    if (which & 4) {
        flags.cf_flags |= PyCF_ONLY_AST;
    }
    start = starts[start % 3];
    PyObject *c = which % 3 == 0   ? (Py_CompileString)(s, "f", start)
                  : which % 3 == 1 ? (Py_CompileStringFlags)(s, "f", start, &flags)
                                   : Py_CompileStringObject(s, name && PyUnicode_Check(name) ? name : Py_None, start, &flags, 1);
    if (!c) {
        return NULL;
    }
    PyObject *r = PyUnicode_FromFormat("%s %d", Py_TYPE(c)->tp_name, PyCode_Check(c) ? ((PyCodeObject *)c)->co_flags : 0);
    Py_DECREF(c);
    return r;
}

PyAPI_FUNC(void) PyFrame_FastToLocals(PyFrameObject *);
PyAPI_FUNC(void) PyFrame_LocalsToFast(PyFrameObject *, int);
PyAPI_FUNC(int) PyFrame_FastToLocalsWithError(PyFrameObject *);
PyAPI_FUNC(PyFrameObject *) PyFrame_New(PyThreadState *, PyCodeObject *, PyObject *, PyObject *);
PyAPI_FUNC(int) PySys_HasWarnOptions(void);

static PyObject *
fz_frame_more(PyObject *o, PyObject *name, int which)
{
    if (!o || !PyTraceBack_Check(o) || !name) {
        return NONE;
    }
    PyFrameObject *f = (PyFrameObject *)PyObject_GetAttrString(o, "tb_frame");
    PyObject *r = NULL;
    switch (which % 5) {
    case 0: r = PyFrame_GetVar(f, name); break;
    case 1: {
        PyObject *locals = PyFrame_GetLocals(f), *b = PyFrame_GetBuiltins(f);
        r = locals ? Py_BuildValue("NiNi", PyMapping_Keys(locals), PyFrame_GetLasti(f) >= 0, PyObject_Type(locals),
                                   PyDict_Check(b))
                   : NULL;
        Py_XDECREF(locals);
        Py_XDECREF(b);
        break;
    }
    case 2:
        PyFrame_FastToLocals(f);
        PyFrame_LocalsToFast(f, 1);
        r = PyFrame_FastToLocalsWithError(f) < 0 ? NULL : NONE;
        break;
    case 3: r = PyTraceBack_Here(f) < 0 ? NULL : NONE; break;
    default: {
        PyObject *buffer = start_capture("stdout");
        int rc = PyTraceBack_Print(which & 8 ? name : o, buffer);
        PyObject *text = end_capture("stdout", buffer);
        r = rc < 0 || !text ? NULL : PyUnicode_Substring(text, 0, 33);
        Py_XDECREF(text);
    }
    }
    Py_DECREF(f);
    return r;
}

static PyObject *
fz_frame_new(PyObject *code, PyObject *globals, PyObject *locals)
{
    if (!code || !PyCode_Check(code) || !globals || !PyDict_CheckExact(globals)) {
        return NONE;
    }
    PyFrameObject *f = PyFrame_New(PyThreadState_Get(), (PyCodeObject *)code, globals, NULL);
    if (!f) {
        return NULL;
    }
    PyErr_SetString(PyExc_ValueError, "in a made frame");
    int rc = PyTraceBack_Here(f);
    PyObject *exc = PyErr_GetRaisedException(), *tb = PyException_GetTraceback(exc);
    PyObject *r = Py_BuildValue("iiON", rc, PyFrame_GetLineNumber(f), code, tb ? PyObject_GetAttrString(tb, "tb_lineno") : NONE);
    Py_XDECREF(tb);
    Py_DECREF(exc);
    Py_DECREF(f);
    return r;
}

static PyObject *
fz_gen_code(PyObject *o)
{
    return o && PyGen_CheckExact(o) ? (PyObject *)PyGen_GetCode((PyGenObject *)o) : NONE;
}

static PyObject *
fz_current(int which)
{
    PyObject *r;
    switch (which % 7) {
    case 0: return PyBool_FromLong(PyEval_GetBuiltins() != NULL && PyDict_Check(PyEval_GetBuiltins()));
    case 1: r = PyEval_GetGlobals(); return r ? PyDict_GetItemString(r, "__name__") ? Py_NewRef(PyDict_GetItemString(r, "__name__")) : NONE : NONE;
    case 2: r = PyEval_GetLocals(); return r ? Py_NewRef(Py_TYPE(r)) : NULL;
    case 3: r = PyEval_GetFrameLocals(); break;
    case 4: r = PyEval_GetFrameGlobals(); break;
    case 5: r = PyEval_GetFrameBuiltins(); break;
    default: {
        PyFrameObject *f = PyEval_GetFrame();
        PyCompilerFlags flags = _PyCompilerFlags_INIT;
        return Py_BuildValue("iii", f != NULL, PyEval_MergeCompilerFlags(&flags), flags.cf_flags);
    }
    }
    if (!r) {
        return NULL;
    }
    PyObject *type = PyObject_Type(r);
    Py_DECREF(r);
    return type;
}

static PyObject *trace_events;

static int
trace(PyObject *arg, PyFrameObject *f, int what, PyObject *value)
{
    PyObject *e = Py_BuildValue("is", what, value && !PyTuple_Check(value) ? Py_TYPE(value)->tp_name : "");
    if (trace_events && e && PyList_GET_SIZE(trace_events) < 12) {
        PyList_Append(trace_events, e);
    }
    Py_XDECREF(e);
    return 0;
}

static PyObject *
fz_trace(PyObject *f, PyObject *arg, int which)
{
    if (!f || !arg) {
        return NONE;
    }
    trace_events = PyList_New(0);
    which & 1 ? PyEval_SetProfile(trace, arg) : which & 2 ? PyEval_SetTraceAllThreads(trace, arg) : PyEval_SetTrace(trace, arg);
    PyObject *x = PyObject_CallOneArg(f, arg);
    PyObject *exc = PyErr_GetRaisedException();
    PyEval_SetProfile(NULL, NULL);
    which & 2 ? PyEval_SetTraceAllThreads(NULL, NULL) : PyEval_SetTrace(NULL, NULL);
    PyObject *events = trace_events;
    trace_events = NULL;
    PyObject *r = Py_BuildValue("Ns", events, exc ? Py_TYPE(exc)->tp_name : "");
    Py_XDECREF(exc);
    Py_XDECREF(x);
    return r;
}

static PyObject *
fz_monitoring(PyObject *code, PyObject *value, int offset)
{
    static const uint8_t events[] = {PY_MONITORING_EVENT_PY_START, PY_MONITORING_EVENT_LINE};
    PyMonitoringState states[2] = {0};
    uint64_t version = 0;
    if (!code || !PyCode_Check(code) || !value) {
        return NONE;
    }
    int a = PyMonitoring_EnterScope(states, &version, events, 2);
    int b = PyMonitoring_FirePyStartEvent(&states[0], code, offset & 3);
    int c = PyMonitoring_FireLineEvent(&states[1], code, offset & 3, 5);
    int d = PyMonitoring_FirePyReturnEvent(&states[0], code, 0, value);
    int e = PyMonitoring_ExitScope();
    return Py_BuildValue("iiiii", a, b, c, d, e);
}

static PyObject *
fz_recursion(const char *where)
{
    int a = Py_EnterRecursiveCall(where ? where : "");
    if (a == 0) {
        Py_LeaveRecursiveCall();
    }
    return PyLong_FromLong(a);
}

static int pending_runs;
static int run_pending(void *p) { pending_runs++; return p ? (PyErr_SetString(PyExc_ValueError, "pending"), -1) : 0; }

static PyObject *
fz_pending(int fail)
{
    pending_runs = 0;
    int a = Py_AddPendingCall(run_pending, NULL), b = Py_AddPendingCall(run_pending, fail & 1 ? &pending_runs : NULL);
    int c = Py_MakePendingCalls();
    return c < 0 ? NULL : Py_BuildValue("iii", a, b, pending_runs);
}

/* --- modules and imports ------------------------------------------------------------------------- */

static int exec_runs;
static int exec_module(PyObject *m) { exec_runs++; return PyModule_AddIntConstant(m, "made", 1); }

static PyObject *
fz_module(PyObject *name, const char *text, int which)
{
    static PyModuleDef_Slot slots[] = {{Py_mod_exec, exec_module}, {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
                                       {0, NULL}};
    static PyModuleDef multi = {PyModuleDef_HEAD_INIT, "multi", "doc", 16, made_defs + 5, slots, NULL, NULL, NULL};
    static PyModuleDef single = {PyModuleDef_HEAD_INIT, "single", NULL, -1, NULL, NULL, NULL, NULL, NULL};
    PyModuleDef *def = which & 1 ? &multi : &single;
    PyObject *m;
    if (which & 1) {
        PyModuleDef_Init(def);
        PyObject *types = PyImport_ImportModule("types");
        PyObject *spec = PyObject_CallMethod(types, "SimpleNamespace", NULL);
        Py_DECREF(types);
        if (name) {
            PyObject_SetAttrString(spec, "name", name);
        }
        m = PyModule_FromDefAndSpec2(def, spec, which & 2 ? 1013 : which & 4 ? 900 : 3);
        Py_DECREF(spec);
        if (m && PyModule_ExecDef(m, def) < 0) {
            Py_CLEAR(m);
        }
    }
    else {
        m = PyModule_Create2(def, which & 2 ? 1013 : 900);
    }
    if (!m) {
        return NULL;
    }
    PyObject *r = NULL;
    if (PyModule_AddFunctions(m, made_defs + 5) == 0 && PyModule_AddObject(m, text, Py_NewRef(Py_True)) == 0) {
        r = Py_BuildValue("iiNO", PyModule_GetDef(m) == def, PyModule_GetState(m) != NULL, PyModule_GetNameObject(m),
                          PyDict_GetItemString(PyModule_GetDict(m), "made") ? Py_True : Py_False);
    }
    Py_DECREF(m);
    return r;
}

static PyObject *
fz_state(int which)
{
    static PyModuleDef def = {PyModuleDef_HEAD_INIT, "stateful", NULL, 8, NULL, NULL, NULL, NULL, NULL};
    PyObject *m = PyModule_Create2(&def, 1013);
    PyObject *before = PyState_FindModule(&def);
    int a = PyState_AddModule(m, &def);
    PyErr_Clear();
    PyObject *found = PyState_FindModule(&def);
    PyObject *r = Py_BuildValue("iii", before == NULL, a, found == m);
    int b = PyState_RemoveModule(&def);
    if (which & 1) {
        b = PyState_RemoveModule(&def);
    }
    Py_DECREF(m);
    if (b < 0) {
        Py_XDECREF(r);
        return NULL;
    }
    return r;
}

static PyObject *
fz_import_more(PyObject *o, const char *name, int which)
{
    if (!name || !*name) {
        return NONE;
    }
    PyObject *r;
    switch (which % 10) {
    case 0: return PyImport_AddModuleRef(name[0] == 'a' ? name : "sys");
    case 1: return Py_XNewRef(PyImport_AddModule("capifuzz_added"));
    case 2: return o ? Py_XNewRef(PyImport_AddModuleObject(o)) : NONE;
    case 3: r = o ? PyImport_GetImporter(o) : NONE; if (r) { Py_SETREF(r, PyObject_Type(r)); } return r;
    case 4: return PyLong_FromLong(PyImport_ImportFrozenModule(name));
    case 5: return PyBool_FromLong(PyDict_Check(PyImport_GetModuleDict()));
    case 6: return Py_BuildValue("ls", PyImport_GetMagicNumber(), PyImport_GetMagicTag());
    case 7: return PyImport_ReloadModule(o);
    case 8: return PyErr_Occurred() || !o ? NONE : PyLong_FromLong(PyImport_ImportFrozenModuleObject(PyUnicode_Check(o) ? o : Py_None));
    default: return NONE;
    }
}

static PyObject *
fz_exec_module(PyObject *code, PyObject *name, int which)
{
    if (!code || !PyCode_Check(code) || !name || !PyUnicode_Check(name)) { /* not checked by the API */
        return NONE;
    }
    PyObject *full = PyUnicode_FromFormat("capifuzz_%d", which % 4);
    PyObject *m = which & 1 ? PyImport_ExecCodeModuleObject(full, code, which & 2 ? name : NULL, which & 4 ? name : NULL)
                  : which & 2 ? PyImport_ExecCodeModule("capifuzz_x", code)
                  : which & 4 ? PyImport_ExecCodeModuleEx("capifuzz_x", code, "path")
                              : PyImport_ExecCodeModuleWithPathnames("capifuzz_x", code, NULL, "cached");
    Py_DECREF(full);
    if (!m) {
        return NULL;
    }
    PyObject *file = PyObject_GetAttrString(m, "__file__");
    PyErr_Clear();
    PyObject *r = Py_BuildValue("NO", PyModule_GetNameObject(m), file ? file : Py_None);
    Py_XDECREF(file);
    Py_DECREF(m);
    return r;
}

/* --- system ---------------------------------------------------------------------------------------- */

static PyObject *
fz_sys(PyObject *o, const char *name, int which)
{
    PyObject *buffer, *text;
    switch (which % 9) {
    case 0:
        buffer = start_capture("stdout");
        PySys_WriteStdout("%s|%d", name ? name : "", which);
        PySys_FormatStdout("|%A", o ? o : Py_None);
        return end_capture("stdout", buffer);
    case 1:
        buffer = start_capture("stderr");
        PySys_WriteStderr("%.3s", name ? name : "");
        PySys_FormatStderr("%U", o && PyUnicode_Check(o) ? o : Py_GetConstantBorrowed(Py_CONSTANT_EMPTY_STR));
        return end_capture("stderr", buffer);
    case 2: return PySys_Audit(name && *name ? name : "event", o ? "O" : NULL, o) < 0 ? NULL : NONE;
    case 3: return PySys_AuditTuple(name && *name ? name : "event", o) < 0 ? NULL : NONE;
    case 4:
        if (PySys_SetObject("capifuzz", o) < 0) {
            return NULL;
        }
        text = Py_XNewRef(PySys_GetObject("capifuzz"));
        return text ? text : NONE;
    case 5: text = PySys_GetXOptions(); return text ? Py_NewRef(text) : NULL;
    case 6: return PyBool_FromLong(PySys_HasWarnOptions());
    case 7: return PyLong_FromLong(Py_GetRecursionLimit());
    default: return PyLong_FromLong(PyOS_InterruptOccurred());
    }
}

static PyObject *
fz_files(PyObject *o, int which)
{
    PyObject *r;
    if (!o) {
        return NONE;
    }
    switch (which % 5) {
    case 0: r = PyFile_FromFd(open("/dev/null", O_RDONLY), "null", which & 8 ? "rb" : "r", -1, NULL, NULL, NULL, 1); break;
    case 1: r = PyFile_NewStdPrinter(2); break;
    case 2: r = PyFile_OpenCodeObject(o); break;
    case 3: r = PyFile_OpenCode("/dev/null"); break;
    default: {
        FILE *f = Py_fopen(o, which & 8 ? "rb" : "nonsense");
        if (!f) {
            return NULL;
        }
        Py_fclose(f);
        return NONE;
    }
    }
    if (r) {
        PyObject *type = PyObject_Type(r);
        if (which % 5 != 1) {
            Py_XDECREF(PyObject_CallMethod(r, "close", NULL));
        }
        Py_DECREF(r);
        return PyErr_Occurred() ? NULL : type;
    }
    return NULL;
}

static PyObject *
fz_fgets(const char *s, Py_ssize_t n, int size)
{
    char buf[40] = "";
    if (n < 1) {
        return NONE;
    }
    FILE *f = fmemopen((void *)s, n, "r");
    char *p = Py_UniversalNewlineFgets(buf, size % 30 + 2, f, NULL);
    PyObject *r = Py_BuildValue("yi", p ? p : "none", Py_FdIsInteractive(f, "f"));
    fclose(f);
    return r;
}

static PyObject *
fz_codec_registry(PyObject *o, const char *name, int which)
{
    if (!o || !name) {
        return NONE;
    }
    if (which & 1) {
        if (PyCodec_RegisterError(name[0] == 'n' ? name : "capifuzz", o) < 0) {
            return NULL;
        }
        return PyCodec_LookupError("capifuzz");
    }
    if (PyCodec_Register(o) < 0) {
        return NULL;
    }
    PyObject *c = PyCodec_Encoder("nosuchcodec");
    PyObject *exc = PyErr_GetRaisedException();
    PyCodec_Unregister(o);
    PyErr_SetRaisedException(exc);
    return c;
}

static void capsule_end(PyObject *c) { PySys_SetObject("capifuzz_ended", Py_True); }

static PyObject *
fz_capsule_more(const char *name, int which)
{
    PyObject *c = PyCapsule_New((void *)texts, name, which & 1 ? capsule_end : NULL);
    if (!c || PyCapsule_SetPointer(c, which & 2 ? (void *)sizes : NULL) < 0 ||
        PyCapsule_SetDestructor(c, which & 4 ? capsule_end : NULL) < 0) {
        Py_XDECREF(c);
        return NULL;
    }
    PySys_SetObject("capifuzz_ended", NULL);
    PyErr_Clear();
    PyObject *r = Py_BuildValue("ii", PyCapsule_GetDestructor(c) == capsule_end, PyCapsule_GetPointer(c, name) == sizes);
    Py_DECREF(c);
    return r ? Py_BuildValue("Ni", r, PySys_GetObject("capifuzz_ended") != NULL) : NULL;
}

/* --- contexts -------------------------------------------------------------------------------------- */

static PyObject *context_events;

static int
watch_context(PyContextEvent event, PyObject *o)
{
    PyObject *e = PyLong_FromLong(event);
    if (context_events && e) {
        PyList_Append(context_events, e);
    }
    Py_XDECREF(e);
    return 0;
}

static PyObject *
fz_context(PyObject *value, const char *name, int wrong)
{
    int id = PyContext_AddWatcher(watch_context);
    context_events = PyList_New(0);
    PyObject *c = PyContext_CopyCurrent(), *var = name ? PyContextVar_New(name, wrong & 1 ? value : NULL) : NULL;
    PyObject *r = NULL, *got = NULL;
    if (c && var && PyContext_Enter(c) == 0) {
        PyObject *token = value ? PyContextVar_Set(var, value) : NULL;
        if (PyContextVar_Get(var, NULL, &got) == 0 && token && wrong & 2) {
            PyContextVar_Reset(var, token);
        }
        Py_XDECREF(token);
        PyObject *exc = PyErr_GetRaisedException();
        int twice = wrong & 4 ? PyContext_Enter(c) : 0;
        if (exc) {
            PyErr_Clear();
        }
        r = twice < 0 ? NULL : Py_BuildValue("OO", got ? got : Py_None, context_events);
        PyObject *second = PyErr_GetRaisedException();
        PyContext_Exit(c);
        PyErr_SetRaisedException(second ? second : exc);
    }
    PyObject *exc = PyErr_GetRaisedException();
    Py_XDECREF(got);
    Py_XDECREF(c);
    Py_XDECREF(var);
    Py_CLEAR(context_events);
    PyContext_ClearWatcher(id);
    if (wrong == 6 && !exc) {
        Py_XDECREF(r);
        return PyContext_ClearWatcher(id) < 0 ? NULL : NONE;
    }
    if (exc) {
        Py_CLEAR(r);
    }
    PyErr_SetRaisedException(exc);
    return r ? r : exc ? NULL : NONE;
}

static PyObject *
fz_context_wrong(PyObject *c)
{
    return c ? PyContext_Exit(c) < 0 ? NULL : NONE : NONE;
}

/* --- threads and interpreters ----------------------------------------------------------------------- */

static volatile int thread_ran;
static void
in_thread(void *p)
{
    PyGILState_STATE s = PyGILState_Ensure();
    thread_ran = PyGILState_Check() + (PyGILState_GetThisThreadState() == PyThreadState_Get());
    PyGILState_Release(s);
    PyThread_release_lock(p);
}

static PyObject *
fz_thread(int which)
{
    PyThread_type_lock lock = PyThread_allocate_lock();
    PyThread_acquire_lock(lock, WAIT_LOCK);
    int again = PyThread_acquire_lock(lock, NOWAIT_LOCK), timed = PyThread_acquire_lock_timed(lock, 10, 0);
    thread_ran = -7;
    if (which & 1) {
        PyThread_start_new_thread(in_thread, lock);
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock(lock, WAIT_LOCK);
        Py_END_ALLOW_THREADS
    }
    PyThread_release_lock(lock);
    PyThread_free_lock(lock);
    return Py_BuildValue("iii", again, timed, thread_ran);
}

static PyObject *
fz_tss(long n)
{
    Py_tss_t key = Py_tss_NEEDS_INIT, *other = PyThread_tss_alloc();
    int a = PyThread_tss_is_created(&key), b = PyThread_tss_create(&key), c = PyThread_tss_set(&key, (void *)n);
    PyObject *r = Py_BuildValue("iiilii", a, b, c, (long)PyThread_tss_get(&key), PyThread_tss_is_created(&key),
                                PyThread_tss_is_created(other));
    PyThread_tss_delete(&key);
    PyThread_tss_free(other);
    int old = PyThread_create_key();
    int d = PyThread_set_key_value(old, (void *)n);
    long e = (long)PyThread_get_key_value(old);
    PyThread_delete_key_value(old);
    PyThread_delete_key(old);
    return Py_BuildValue("Nili", r, d, e, PyThread_get_thread_ident() != 0);
}

static PyObject *
fz_tstate(int which, unsigned long id)
{
    PyThreadState *t = PyThreadState_Get();
    PyGILState_STATE s;
    switch (which % 8) {
    case 0: return PyBool_FromLong(PyThreadState_GetUnchecked() == t && PyGILState_GetThisThreadState() == t);
    case 1: return PyBool_FromLong(PyThreadState_GetDict() == PyThreadState_GetDict() && PyDict_Check(PyThreadState_GetDict()));
    case 2: {
        PyFrameObject *f = PyThreadState_GetFrame(t);
        int is = f == PyEval_GetFrame();
        Py_XDECREF(f);
        return PyBool_FromLong(is);
    }
    case 3:
        PyThreadState_EnterTracing(t);
        PyThreadState_LeaveTracing(t);
        return PyBool_FromLong(PyThreadState_GetInterpreter(t) == PyInterpreterState_Get());
    case 4: return PyLong_FromLong(PyThreadState_SetAsyncExc(id < 1000 ? id : 1, PyExc_ValueError));
    case 5: {
        PyThreadState *n = PyThreadState_New(PyInterpreterState_Main());
        PyThreadState *old = PyThreadState_Swap(n);
        int ok = PyThreadState_Get() == n && old == t;
        PyThreadState_Swap(old);
        PyThreadState_Clear(n);
        PyThreadState_Delete(n);
        return PyBool_FromLong(ok);
    }
    case 6: s = PyGILState_Ensure(); PyGILState_Release(s); return Py_BuildValue("ii", s, PyGILState_Check());
    default: {
        PyThreadState *saved = PyEval_SaveThread();
        int none = PyThreadState_GetUnchecked() == NULL;
        which & 8 ? PyEval_AcquireThread(saved) : PyEval_RestoreThread(saved);
        return PyBool_FromLong(none && saved == t);
    }
    }
}

static PyObject *
fz_interp(int which)
{
    PyInterpreterState *i = PyInterpreterState_Get();
    switch (which % 4) {
    case 0: return PyLong_FromLongLong(PyInterpreterState_GetID(i));
    case 1: return PyBool_FromLong(PyInterpreterState_GetDict(i) == PyInterpreterState_GetDict(i));
    case 2: return Py_BuildValue("iii", PyInterpreterState_Main() == i, PyInterpreterState_Head() == i, PyInterpreterState_Next(i) == NULL);
    default: return Py_BuildValue("ii", PyInterpreterState_ThreadHead(i) != NULL, PyThreadState_Next(PyInterpreterState_ThreadHead(i)) == NULL);
    }
}

static PyObject *
fz_subinterpreter(int which, const char *s)
{
    PyThreadState *saved = PyThreadState_Get(), *t = NULL;
    PyInterpreterConfig config = {.use_main_obmalloc = which & 1, .allow_fork = 1, .allow_exec = 1, .allow_threads = 1,
                                  .allow_daemon_threads = which >> 1 & 1, .check_multi_interp_extensions = which >> 2 & 1,
                                  .gil = which % 4};
    PyStatus status = Py_NewInterpreterFromConfig(&t, &config);
    if (PyStatus_Exception(status)) {
        PyThreadState_Swap(saved);
        return PyUnicode_FromString(status.err_msg ? status.err_msg : "");
    }
    int rc = PyRun_SimpleString("import sys; x = [sys]");
    int own = PyInterpreterState_Get() != saved->interp;
    Py_EndInterpreter(t);
    PyThreadState_Swap(saved);
    return Py_BuildValue("ii", rc, own);
}

static PyObject *
fz_critical(PyObject *a, PyObject *b)
{
    if (!a || !b) {
        return NONE;
    }
    PyMutex m = {0};
    (PyMutex_Lock)(&m);
    int locked = (PyMutex_IsLocked)(&m);
    (PyMutex_Unlock)(&m);
    void *c[8] = {NULL}; /* the structure is not public */
    (PyCriticalSection_Begin)((void *)c, a);
    (PyCriticalSection_End)((void *)c);
    (PyCriticalSection2_Begin)((void *)c, a, b);
    (PyCriticalSection2_End)((void *)c);
    return Py_BuildValue("ii", locked, (PyMutex_IsLocked)(&m));
}

static PyObject *
fz_time(int which, long n)
{
    PyTime_t t = -7;
    int rc = which % 6 == 0   ? PyTime_Time(&t)
             : which % 6 == 1 ? PyTime_Monotonic(&t)
             : which % 6 == 2 ? PyTime_PerfCounter(&t)
             : which % 6 == 3 ? PyTime_TimeRaw(&t)
             : which % 6 == 4 ? PyTime_MonotonicRaw(&t)
                              : PyTime_PerfCounterRaw(&t);
    return Py_BuildValue("iid", rc, t > 0, PyTime_AsSecondsDouble(n));
}

static PyObject *
fz_trace_malloc(unsigned domain, long size)
{
    int a = PyTraceMalloc_Track(domain & 0xff, 0x1000, size & 0xffff), b = PyTraceMalloc_Untrack(domain & 0xff, 0x1000);
    return Py_BuildValue("ii", a, b);
}

static int ref_events;
static int
trace_refs(PyObject *o, PyRefTracerEvent event, void *data)
{
    ref_events += *(int *)data == 42 && event <= 1;
    return 0;
}

static PyObject *
fz_ref_tracer(int which)
{
    static int data = 42;
    void *p = NULL;
    ref_events = 0;
    if (PyRefTracer_SetTracer(trace_refs, &data) < 0) {
        return NULL;
    }
    PyObject *o = PyList_New(0);
    Py_DECREF(o);
    PyRefTracer f = PyRefTracer_GetTracer(&p);
    PyRefTracer_SetTracer(NULL, NULL);
    return Py_BuildValue("iii", f == trace_refs, p == &data, ref_events >= 2);
}

/* --- configuration ---------------------------------------------------------------------------------- */

static const char *const options[] = {"optimization_level", "verbose", "bytes_warning", "xoptions", "warnoptions", "nosuch",
                                      "utf8_mode", "site_import", "int_max_str_digits", "quiet", "argv", "check_hash_pycs_mode",
                                      "hash_seed", "interactive", "stdio_encoding", "pathconfig_warnings", "faulthandler"};

static PyObject *
fz_config(int which, PyObject *value)
{
    const char *name = PICK(options);
    int i = -7;
    PyObject *r;
    put("[%s]", name);
    switch (which % 4) {
    case 0: return PyConfig_Get(name);
    case 1: return PyConfig_GetInt(name, &i) < 0 ? NULL : PyLong_FromLong(i);
    case 2: {
        PyObject *names = PyConfig_Names();
        r = names ? Py_BuildValue("Oi", Py_TYPE(names), PySet_Contains(names, PyUnicode_FromString(name))) : NULL;
        Py_XDECREF(names);
        return r;
    }
    default: {
        PyObject *before = PyConfig_Get(name);
        if (!before || PyConfig_Set(name, value) < 0) {
            Py_XDECREF(before);
            return NULL;
        }
        r = PyConfig_Get(name);
        PyConfig_Set(name, before);
        Py_DECREF(before);
        PyErr_Clear();
        return r;
    }
    }
}

static PyObject *
fz_init_config(const char *text, long n, int which)
{
    const char *name = PICK(options), *error = NULL;
    PyInitConfig *c = PyInitConfig_Create();
    int64_t i = -7;
    char *s = NULL, **list = NULL, *items[] = {"one", "two"};
    size_t length = 0;
    int code = -7;
    put("[%s]", name);
    int has = PyInitConfig_HasOption(c, name);
    int rc = which % 6 == 0   ? PyInitConfig_SetInt(c, name, n)
             : which % 6 == 1 ? PyInitConfig_SetStr(c, name, text ? text : "")
             : which % 6 == 2 ? PyInitConfig_SetStrList(c, name, 2, items)
                              : 0;
    int a = rc < 0 ? -7 : PyInitConfig_GetInt(c, name, &i);
    int failed = PyInitConfig_GetError(c, &error);
    PyObject *e = error && failed ? PyUnicode_DecodeUTF8(error, strlen(error), "replace") : NONE;
    int b = rc < 0 ? -7 : PyInitConfig_GetStr(c, name, &s), d = rc < 0 ? -7 : PyInitConfig_GetStrList(c, name, &length, &list);
    PyObject *r = Py_BuildValue("iiiiiLnNi", has, rc, a, b, d, (long long)i, (Py_ssize_t)length, e, PyInitConfig_GetExitCode(c, &code));
    free(s);
    if (d == 0 && list) {
        PyInitConfig_FreeStrList(length, list);
    }
    PyInitConfig_Free(c);
    return r;
}

static PyObject *
fz_py_config(const char *text, int which)
{
    static wchar_t *list[] = {L"x", L"y"};
    PyConfig c;
    PyPreConfig p;
    if (which & 1) {
        PyConfig_InitIsolatedConfig(&c);
        PyPreConfig_InitIsolatedConfig(&p);
    }
    else {
        PyConfig_InitPythonConfig(&c);
        PyPreConfig_InitPythonConfig(&p);
    }
    PyStatus a = PyConfig_SetString(&c, &c.run_module, which & 2 ? L"module" : NULL);
    PyStatus b = PyConfig_SetBytesString(&c, &c.executable, text ? text : "none");
    PyStatus d = PyConfig_SetWideStringList(&c, &c.xoptions, 2, list);
    PyStatus e = PyWideStringList_Append(&c.warnoptions, L"ignore");
    PyStatus f = PyWideStringList_Insert(&c.warnoptions, which - 3, L"error");
    PyObject *r = Py_BuildValue("iiiiiiiiuniii", PyStatus_Exception(a), PyStatus_Exception(b), PyStatus_IsError(d), PyStatus_IsExit(e),
                                PyStatus_Exception(f), c.isolated, c.site_import, c.optimization_level,
                                c.run_module ? c.run_module : L"", c.warnoptions.length, p.utf8_mode, p.isolated,
                                c.buffered_stdio);
    PyConfig_Clear(&c);
    return r;
}

static PyObject *
fz_status(int which, const char *text)
{
    PyStatus s = which % 4 == 0   ? PyStatus_Ok()
                 : which % 4 == 1 ? PyStatus_Error(text)
                 : which % 4 == 2 ? PyStatus_NoMemory()
                                  : PyStatus_Exit(which);
    return Py_BuildValue("iiizi", PyStatus_Exception(s), PyStatus_IsError(s), PyStatus_IsExit(s), s.err_msg ? "message" : NULL,
                         s.exitcode);
}

#undef Py_PACK_FULL_VERSION
#undef Py_PACK_VERSION
PyAPI_FUNC(uint32_t) Py_PACK_FULL_VERSION(int, int, int, int, int);
PyAPI_FUNC(uint32_t) Py_PACK_VERSION(int, int);

static PyObject *
fz_versions(int a, int b, int c)
{
    return Py_BuildValue("kkis", (unsigned long)Py_PACK_FULL_VERSION(a, b, c, a, b), (unsigned long)Py_PACK_VERSION(a, b),
                         Py_IsFinalizing(), Py_GetPlatform());
}

/* --- events, hooks, signals ---------------------------------------------------------------------- */

static const char *const event_names[] = {"PY_START", "PY_RESUME", "PY_RETURN", "PY_YIELD", "CALL", "LINE", "JUMP",
                                          "BRANCH_LEFT", "BRANCH_RIGHT", "C_RETURN", "C_RAISE", "PY_THROW", "RAISE", "RERAISE",
                                          "EXCEPTION_HANDLED", "PY_UNWIND", "STOP_ITERATION"};
static const uint8_t event_numbers[] = {
    PY_MONITORING_EVENT_PY_START,     PY_MONITORING_EVENT_PY_RESUME,   PY_MONITORING_EVENT_PY_RETURN,
    PY_MONITORING_EVENT_PY_YIELD,     PY_MONITORING_EVENT_CALL,        PY_MONITORING_EVENT_LINE,
    PY_MONITORING_EVENT_JUMP,         PY_MONITORING_EVENT_BRANCH_LEFT, PY_MONITORING_EVENT_BRANCH_RIGHT,
    PY_MONITORING_EVENT_C_RETURN,     PY_MONITORING_EVENT_C_RAISE,     PY_MONITORING_EVENT_PY_THROW,
    PY_MONITORING_EVENT_RAISE,        PY_MONITORING_EVENT_RERAISE,     PY_MONITORING_EVENT_EXCEPTION_HANDLED,
    PY_MONITORING_EVENT_PY_UNWIND,    PY_MONITORING_EVENT_STOP_ITERATION};

static int
fire(int which, PyMonitoringState *state, PyObject *code, PyObject *a)
{
    switch (which) {
    case 0: return _PyMonitoring_FirePyStartEvent(state, code, 2);
    case 1: return _PyMonitoring_FirePyResumeEvent(state, code, 2);
    case 2: return _PyMonitoring_FirePyReturnEvent(state, code, 2, a);
    case 3: return _PyMonitoring_FirePyYieldEvent(state, code, 2, a);
    case 4: return _PyMonitoring_FireCallEvent(state, code, 2, a, a);
    case 5: return _PyMonitoring_FireLineEvent(state, code, 2, 7);
    case 6: return _PyMonitoring_FireJumpEvent(state, code, 2, a);
    case 7: return _PyMonitoring_FireBranchLeftEvent(state, code, 2, a);
    case 8: return _PyMonitoring_FireBranchRightEvent(state, code, 2, a);
    case 9: return _PyMonitoring_FireCReturnEvent(state, code, 2, a);
    case 10: return _PyMonitoring_FireCRaiseEvent(state, code, 2);
    case 11: return _PyMonitoring_FirePyThrowEvent(state, code, 2);
    case 12: return _PyMonitoring_FireRaiseEvent(state, code, 2);
    case 13: return _PyMonitoring_FireReraiseEvent(state, code, 2);
    case 14: return _PyMonitoring_FireExceptionHandledEvent(state, code, 2);
    case 15: return _PyMonitoring_FirePyUnwindEvent(state, code, 2);
    default: return _PyMonitoring_FireStopIterationEvent(state, code, 2, a);
    }
}

/* One event with a tool that wants it: what its callback is called with. */
static PyObject *
fz_fire(PyObject *code, PyObject *a, int answer)
{
    if (!code || !PyCode_Check(code) || !a) {
        return NONE;
    }
    int which = below(17);
    put("[%s]", event_names[which]);
    static const char source[] =
        "import sys\nm = sys.monitoring\nevent = getattr(m.events, name)\nseen = []\n"
        "def callback(code, *args):\n    seen.append([type(x).__name__ for x in args])\n"
        "    if answer == 1: return m.DISABLE\n    if answer == 2: raise KeyError('callback')\n"
        "m.use_tool_id(3, 'capifuzz')\nm.register_callback(3, event, callback)\n";
    static const char enable[] = "m.set_events(3, m.events.CALL | m.events.C_RETURN | m.events.C_RAISE if name[:2] == 'C_' else event)";
    PyObject *g = Py_BuildValue("{sssi}", "name", event_names[which], "answer", answer % 3);
    PyObject *ok = PyRun_String(source, Py_file_input, g, g);
    Py_XDECREF(ok);
    ok = ok ? PyRun_String(enable, Py_single_input, g, g) : NULL;
    Py_XDECREF(ok);
    PyMonitoringState state = {0};
    uint64_t version = 0;
    int rc = -7, again = -7;
    if (ok && PyMonitoring_EnterScope(&state, &version, &event_numbers[which], 1) == 0) {
        int exceptional = which >= 10 && which < 16;
        if (exceptional) {
            PyErr_SetString(PyExc_ValueError, "fired");
        }
        rc = state.active ? fire(which, &state, code, a) : -8;
        PyObject *exc = PyErr_GetRaisedException();
        put("{%s}", exc ? Py_TYPE(exc)->tp_name : "none");
        Py_XDECREF(exc);
        if (exceptional) {
            PyErr_SetString(PyExc_ValueError, "fired");
        }
        again = state.active ? fire(which, &state, code, a) : -8;
        PyErr_Clear();
        PyMonitoring_ExitScope();
    }
    PyObject *exc = PyErr_GetRaisedException();
    ok = PyRun_String("m.set_events(3, 0); m.register_callback(3, event, None); m.free_tool_id(3); m.restart_events()",
                      Py_file_input, g, g);
    Py_XDECREF(ok);
    PyErr_Clear();
    PyObject *r = exc ? NULL : Py_BuildValue("iiO", rc, again, PyDict_GetItemString(g, "seen"));
    Py_DECREF(g);
    PyErr_SetRaisedException(exc);
    return r;
}

PyAPI_FUNC(PyObject *) _PyEval_EvalFrameDefault(PyThreadState *, struct _PyInterpreterFrame *, int);
static PyObject *hooked;

static PyObject *
eval_hook(PyThreadState *t, struct _PyInterpreterFrame *f, int throwing)
{
    PyObject *code = PyUnstable_InterpreterFrame_GetCode(f);
    if (hooked && PyList_GET_SIZE(hooked) < 5) {
        PyObject *e = Py_BuildValue("Nii", PyObject_GetAttrString(code, "co_name"), PyUnstable_InterpreterFrame_GetLasti(f) < 2,
                                    PyUnstable_InterpreterFrame_GetLine(f) > 0);
        PyList_Append(hooked, e);
        Py_XDECREF(e);
    }
    Py_DECREF(code);
    return _PyEval_EvalFrameDefault(t, f, throwing);
}

static PyObject *
fz_eval_hook(PyObject *f, PyObject *arg)
{
    if (!f || !arg) {
        return NONE;
    }
    PyInterpreterState *i = PyInterpreterState_Get();
    _PyFrameEvalFunction old = _PyInterpreterState_GetEvalFrameFunc(i);
    hooked = PyList_New(0);
    _PyInterpreterState_SetEvalFrameFunc(i, eval_hook);
    int is = _PyInterpreterState_GetEvalFrameFunc(i) == eval_hook;
    PyObject *x = PyObject_CallOneArg(f, arg);
    PyObject *exc = PyErr_GetRaisedException();
    _PyInterpreterState_SetEvalFrameFunc(i, old);
    PyObject *r = Py_BuildValue("iOs", is, hooked, exc ? Py_TYPE(exc)->tp_name : "");
    Py_CLEAR(hooked);
    Py_XDECREF(exc);
    Py_XDECREF(x);
    return r;
}

static PyObject *
fz_signals(int n)
{
    int a = PyErr_SetInterruptEx(n == 2 ? 2 : n < 60 ? 0 : n);
    int b = PyErr_CheckSignals();
    PyObject *exc = PyErr_GetRaisedException();
    PyOS_sighandler_t h = PyOS_getsig(10), old = PyOS_setsig(10, h);
    PyObject *r = Py_BuildValue("iisi", a, b, exc ? Py_TYPE(exc)->tp_name : "", old == h);
    Py_XDECREF(exc);
    return r;
}

static int audited;
static int
audit_hook(const char *event, PyObject *args, void *data)
{
    audited += strcmp(event, "capifuzz.event") == 0 ? (int)PyTuple_GET_SIZE(args) + 1 : 0;
    return 0;
}

static PyObject *
fz_audit_hook(PyObject *o)
{
    static int added;
    if (!added && (added = 1, PySys_AddAuditHook(audit_hook, NULL)) < 0) {
        return NULL;
    }
    audited = 0;
    int rc = o ? PySys_Audit("capifuzz.event", "Oi", o, 5) : PySys_Audit("capifuzz.event", NULL);
    return rc < 0 ? NULL : PyLong_FromLong(audited);
}

static PyObject *code_events;
static int
watch_code(PyCodeEvent event, PyCodeObject *c)
{
    PyObject *name = Py_NewRef(c->co_name);
    if (code_events && PyUnicode_CompareWithASCIIString(name, "watched") == 0) {
        PyObject *e = PyLong_FromLong(event);
        PyList_Append(code_events, e);
        Py_XDECREF(e);
    }
    Py_DECREF(name);
    return 0;
}

static PyObject *
fz_code_watcher(PyObject *name, int wrong)
{
    int id = PyCode_AddWatcher(watch_code);
    code_events = PyList_New(0);
    Py_XDECREF(PyCode_NewEmpty("f", "watched", 3));
    PyErr_Clear();
    int rc = PyCode_ClearWatcher(wrong == 3 ? 77 : wrong == 4 ? -1 : id);
    PyObject *r = rc < 0 ? NULL : Py_NewRef(code_events);
    PyObject *exc = PyErr_GetRaisedException();
    PyCode_ClearWatcher(id);
    PyErr_Clear();
    Py_CLEAR(code_events);
    PyErr_SetRaisedException(exc);
    return r;
}

/* --- objects of our own -------------------------------------------------------------------------- */

typedef struct Held {
    PyObject_VAR_HEAD
    PyObject *items[1];
} Held;

static int finalized;
static int
held_traverse(PyObject *o, visitproc visit, void *arg)
{
    for (Py_ssize_t i = 0; i < Py_SIZE(o); i++) {
        Py_VISIT(((Held *)o)->items[i]);
    }
    Py_VISIT(Py_TYPE(o));
    return 0;
}
static int
held_clear(PyObject *o)
{
    for (Py_ssize_t i = 0; i < Py_SIZE(o); i++) {
        Py_CLEAR(((Held *)o)->items[i]);
    }
    return 0;
}
static void held_finalize(PyObject *o) { finalized++; }
static void
held_dealloc(PyObject *o)
{
    if (PyObject_CallFinalizerFromDealloc(o) < 0) {
        return;
    }
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    held_clear(o);
    PyObject_GC_Del(o);
    Py_DECREF(type);
}

static PyTypeObject *
held_type(void)
{
    static PyTypeObject *type;
    if (!type) {
        static PyType_Slot slots[] = {{Py_tp_traverse, held_traverse}, {Py_tp_clear, held_clear}, {Py_tp_dealloc, held_dealloc},
                                      {Py_tp_finalize, held_finalize}, {0, NULL}};
        static PyType_Spec spec = {"capifuzz.Held", offsetof(Held, items), sizeof(PyObject *),
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
        type = (PyTypeObject *)PyType_FromSpec(&spec);
    }
    return type;
}

static PyObject *
fz_gc_object(PyObject *o, int n, int which)
{
    finalized = 0;
    n = n % 5 < 0 ? 0 : n % 5;
    Held *h = PyObject_GC_NewVar(Held, held_type(), n);
    if (!h) {
        return NULL;
    }
    memset(h->items, 0, n * sizeof(PyObject *));
    if (which & 1) {
        Held *grown = PyObject_GC_Resize(Held, h, n + 2);
        h = grown ? grown : h;
        memset(h->items + n, 0, grown ? 2 * sizeof(PyObject *) : 0);
    }
    int before = PyObject_GC_IsTracked((PyObject *)h);
    PyObject_GC_Track(h);
    if (Py_SIZE(h)) {
        h->items[0] = which & 2 ? Py_NewRef(h) : Py_XNewRef(o);
    }
    if (which & 4) {
        PyObject_CallFinalizer((PyObject *)h);
    }
    PyObject *r = Py_BuildValue("iiii", before, PyObject_GC_IsTracked((PyObject *)h), PyObject_GC_IsFinalized((PyObject *)h),
                                (int)Py_SIZE(h));
    Py_DECREF(h);
    PyGC_Collect();
    return r ? Py_BuildValue("Ni", r, finalized) : NULL;
}

static PyObject *
fz_init(int n)
{
    static PyTypeObject *type;
    if (!type) {
        static PyType_Slot slots[] = {{0, NULL}};
        static PyType_Spec spec = {"capifuzz.Plain", sizeof(PyVarObject), 8, Py_TPFLAGS_DEFAULT, slots};
        type = (PyTypeObject *)PyType_FromSpec(&spec);
    }
    n &= 7;
    PyVarObject *v = PyObject_InitVar(PyObject_Malloc(sizeof(PyVarObject) + 8 * n), type, n);
    PyVarObject *w = PyObject_NewVar(PyVarObject, type, n);
    PyObject *r = Py_BuildValue("nnnn", Py_SIZE(v), Py_REFCNT(v), Py_SIZE(w), Py_REFCNT(w));
    Py_DECREF(v);
    Py_DECREF(w);
    return r;
}

static PyObject *
fz_extra_data(PyObject *o, int n)
{
    if (!o) {
        return NONE;
    }
    PyTypeObject *type = held_type();
    Held *h = (Held *)PyUnstable_Object_GC_NewWithExtraData(type, n & 63);
    if (!h) {
        return NULL;
    }
    PyObject *r = Py_BuildValue("nii", Py_SIZE(h), PyObject_GC_IsTracked((PyObject *)h),
                                PyUnstable_Object_EnableDeferredRefcount((PyObject *)h));
    Py_DECREF(h);
    return r;
}

static PyObject *
fz_ready(PyTypeObject *base, PyObject *bases, int which)
{
    PyTypeObject *t = calloc(1, sizeof *t); /* static types live for ever */
    Py_SET_REFCNT(t, 1);
    t->tp_name = which & 1 ? "capifuzz.Static" : "Static";
    t->tp_basicsize = which & 2 ? 0 : base->tp_basicsize;
    t->tp_itemsize = base->tp_itemsize;
    t->tp_base = base;
    t->tp_flags = Py_TPFLAGS_DEFAULT | (which & 4 ? Py_TPFLAGS_BASETYPE : 0);
    if (base->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        return NONE; /* kept by nobody */
    }
    if (PyType_Ready(t) < 0) {
        return NULL;
    }
    return Py_BuildValue("NNNn", PyObject_GetAttrString((PyObject *)t, "__mro__"), PyObject_GetAttrString((PyObject *)t, "__module__"),
                         PyObject_GetAttrString((PyObject *)t, "__base__"), t->tp_basicsize);
}

static PyObject *
fz_structseq_init(int which)
{
    static PyStructSequence_Field fields[] = {{"one", "doc"}, {NULL, NULL}, {"three", NULL}, {NULL}};
    fields[1].name = PyStructSequence_UnnamedField;
    static PyStructSequence_Desc desc = {"capifuzz.StaticSeq", NULL, fields, 2};
    static PyTypeObject types[2];
    static int ready;
    if (!ready && (ready = 1, PyStructSequence_InitType2(&types[0], &desc)) < 0) {
        return NULL;
    }
    PyObject *s = PyStructSequence_New(&types[0]);
    for (int i = 0; i < 3; i++) {
        PyStructSequence_SetItem(s, i, PyLong_FromLong(i + which));
    }
    PyObject *r = Py_BuildValue("NnN", PyObject_Repr(s), PyTuple_Size(s), PyObject_GetAttrString(s, "three"));
    Py_DECREF(s);
    return r;
}

/* --- what is taken and put back ------------------------------------------------------------------- */

PyAPI_FUNC(void) _PyEval_StopTheWorld(PyInterpreterState *);
PyAPI_FUNC(void) _PyEval_StartTheWorld(PyInterpreterState *);
PyAPI_FUNC(void) PySys_SetPath(const wchar_t *);
PyAPI_FUNC(void) PySys_AddWarnOption(const wchar_t *);
PyAPI_FUNC(void) PyUnicode_InternImmortal(PyObject **);

static PyObject *
fz_put_back(int which, const char *text)
{
    switch (which % 10) {
    case 0: {
        int old = Py_GetRecursionLimit();
        Py_SetRecursionLimit(old + 10);
        int now = Py_GetRecursionLimit();
        Py_SetRecursionLimit(old);
        return PyLong_FromLong(now - old);
    }
    case 1: {
        PyMemAllocatorEx a, b;
        PyMem_GetAllocator(which & 16 ? PYMEM_DOMAIN_OBJ : PYMEM_DOMAIN_RAW, &a);
        PyMem_SetAllocator(which & 16 ? PYMEM_DOMAIN_OBJ : PYMEM_DOMAIN_RAW, &a);
        PyMem_GetAllocator(which & 16 ? PYMEM_DOMAIN_OBJ : PYMEM_DOMAIN_RAW, &b);
        return PyBool_FromLong(memcmp(&a, &b, sizeof a) == 0);
    }
    case 2: {
        PyObjectArenaAllocator a, b;
        PyObject_GetArenaAllocator(&a);
        PyObject_SetArenaAllocator(&a);
        PyObject_GetArenaAllocator(&b);
        return PyBool_FromLong(a.alloc == b.alloc && a.free == b.free && a.ctx == b.ctx);
    }
    case 3: {
        size_t old = PyThread_get_stacksize();
        int a = PyThread_set_stacksize(1 << 20), b = PyThread_set_stacksize(7);
        size_t now = PyThread_get_stacksize();
        PyThread_set_stacksize(old);
        return Py_BuildValue("iin", a, b, (Py_ssize_t)now);
    }
    case 4:
        PyOS_BeforeFork();
        PyOS_AfterFork_Parent();
        return NONE;
    case 5: {
        _PyEval_StopTheWorld(PyInterpreterState_Get());
        _PyEval_StartTheWorld(PyInterpreterState_Get());
        return NONE;
    }
    case 6: {
        PyObject *old = Py_XNewRef(PySys_GetObject("argv")), *path = PyList_GetSlice(PySys_GetObject("path"), 0, 1000);
        wchar_t *argv[] = {L"prog", L"arg"};
        PySys_SetArgvEx(2, argv, 0);
        PyObject *now = Py_XNewRef(PySys_GetObject("argv"));
        PySys_SetPath(L"/one:/two");
        PyObject *p = Py_XNewRef(PySys_GetObject("path"));
        PySys_SetObject("argv", old);
        PySys_SetObject("path", path);
        Py_XDECREF(old);
        Py_XDECREF(path);
        return Py_BuildValue("NN", now, p);
    }
    case 7: {
        PyObject *old = PyList_GetSlice(PySys_GetObject("warnoptions"), 0, 1000);
        PySys_AddWarnOption(L"ignore::UserWarning");
        PyObject *now = PyList_GetSlice(PySys_GetObject("warnoptions"), 0, 1000);
        PySys_ResetWarnOptions();
        PyObject *r = Py_BuildValue("Nn", now, PyList_Size(PySys_GetObject("warnoptions")));
        PySys_SetObject("warnoptions", old);
        Py_DECREF(old);
        return r;
    }
    case 8: {
        PyObject *s = text ? PyUnicode_FromString(text) : NULL;
        if (s) {
            PyUnicode_InternImmortal(&s);
        }
        return s ? s : PyErr_Occurred() ? NULL : NONE;
    }
    default:
        return Py_BuildValue("iiisn", PyThreadState_GetID(PyThreadState_Get()) > 0, PyThread_get_thread_native_id() == (unsigned long)getpid(),
                             Py_GETENV("NOSUCHVARIABLE") == NULL, Py_GetVersion()[0] == '3' ? "3" : "?",
                             (PyVectorcall_NARGS)(5 | PY_VECTORCALL_ARGUMENTS_OFFSET));
    }
}

static PyObject *
fz_interactive(int source, int which)
{
    static const char *const sources[] = {"1+1\n", "x = 3\n", "nosuch\n", "1/0\n", "(\n", "print('shown')\n", "def f():\n  pass\n\n"};
    char *text = strdup(sources[source]);
    FILE *f = fmemopen(text, strlen(text), "r");
    PyObject *out = start_capture("stdout"), *err = start_capture("stderr");
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    int rc = which & 1 ? PyRun_InteractiveOneFlags(f, "f", &flags) : PyRun_InteractiveLoopFlags(f, "f", &flags);
    PyErr_Clear();
    PyObject *printed = end_capture("stdout", out), *errors = end_capture("stderr", err);
    PyObject *lines = errors ? PyUnicode_Splitlines(errors, 0) : PyList_New(0);
    Py_ssize_t n = PyList_GET_SIZE(lines);
    PyObject *r = Py_BuildValue("iOO", rc, printed ? printed : Py_None, n ? PyList_GET_ITEM(lines, n - 1) : Py_None);
    fclose(f);
    free(text);
    Py_XDECREF(printed);
    Py_XDECREF(errors);
    Py_DECREF(lines);
    return r;
}

static PyObject *
fz_type_data(int size, int which)
{
    PyType_Slot slots[] = {{0, NULL}};
    size = size < 0 || size > 256 ? 16 : size;
    PyType_Spec spec = {"capifuzz.Data", -size, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
    PyObject *t = PyType_FromSpec(&spec);
    PyObject *o = t ? PyType_GenericNew((PyTypeObject *)t, NULL, NULL) : NULL;
    if (!o) {
        Py_XDECREF(t);
        return NULL;
    }
    char *data = PyObject_GetTypeData(o, (PyTypeObject *)t);
    PyObject *r = Py_BuildValue("nn", data - (char *)o, PyType_GetTypeDataSize((PyTypeObject *)t));
    if (which & 1) {
        void *items = PyObject_GetItemData(o);
        if (!items) {
            Py_CLEAR(r);
        }
    }
    Py_DECREF(o);
    Py_DECREF(t);
    return r;
}

static const Wrapper runtime_wrappers[] = {
#define W(f) {#f, (void *)(f)}
    W(fz_fetch), W(fz_handled), W(fz_errno), W(fz_syntax_location), W(fz_program_text), W(fz_display), W(fz_warn_more),
    W(fz_chain), W(fz_slice_index), W(fz_reraise_star), W(fz_call_old), W(fz_function_result), W(fz_build_more),
    W(fz_parse_more), W(fz_eval_code), W(fz_run_more), W(fz_compile_more), W(fz_frame_more), W(fz_frame_new),
    W(fz_gen_code), W(fz_current), W(fz_trace), W(fz_monitoring), W(fz_recursion), W(fz_pending), W(fz_module),
    W(fz_state), W(fz_import_more), W(fz_exec_module), W(fz_sys), W(fz_files), W(fz_fgets), W(fz_codec_registry),
    W(fz_capsule_more), W(fz_context), W(fz_context_wrong), W(fz_thread), W(fz_tss), W(fz_tstate), W(fz_interp),
    W(fz_subinterpreter), W(fz_critical), W(fz_time), W(fz_trace_malloc), W(fz_ref_tracer), W(fz_config),
    W(fz_init_config), W(fz_py_config), W(fz_status), W(fz_versions), W(fz_fire), W(fz_eval_hook), W(fz_signals), W(fz_audit_hook), W(fz_code_watcher),
    W(fz_gc_object), W(fz_init), W(fz_extra_data), W(fz_ready), W(fz_structseq_init), W(fz_put_back), W(fz_interactive),
    W(fz_type_data),
#undef W
    {NULL, NULL},
};

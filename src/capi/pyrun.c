/* pyrun.c - running source text, files and modules; showing exceptions; the main program.
 *
 * PyErr_Print and friends leave the work of formatting to the traceback module and fall
 * back to plain C text when that cannot be imported or fails.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "frontend/compile.h"
#include "runtime/runtime.h"
#include "vm/vm.h"

#include <errno.h>
#include <marshal.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

int (*PyOS_InputHook)(void) = NULL;
char *(*PyOS_ReadlineFunctionPointer)(FILE *, FILE *, const char *) = NULL;

/* --- showing exceptions -------------------------------------------------------------------- */

/* Without the traceback module: "Type: message", with the traceback before it. */
static void
display_plain(PyObject *file, PyObject *exc)
{
    NJ_OWN tb = PyException_GetTraceback(exc);
    if (tb && PyTraceBack_Print(tb, file) < 0) {
        PyErr_Clear();
    }
    NJ_OWN mod = PyType_GetModuleName(Py_TYPE(exc));
    NJ_OWN qual = PyType_GetQualName(Py_TYPE(exc));
    if (mod && PyUnicode_Check(mod) && !PyUnicode_EqualToUTF8(mod, "builtins") &&
        !PyUnicode_EqualToUTF8(mod, "__main__")) {
        PyFile_WriteObject(mod, file, Py_PRINT_RAW);
        PyFile_WriteString(".", file);
    }
    if (!qual || PyFile_WriteObject(qual, file, Py_PRINT_RAW) < 0) {
        PyErr_Clear();
        PyFile_WriteString("<unknown>", file);
    }
    NJ_OWN text = PyObject_Str(exc);
    if (!text) {
        PyErr_Clear();
        PyFile_WriteString(": <exception str() failed>", file);
    }
    else if (PyUnicode_GET_LENGTH(text)) {
        PyFile_WriteString(": ", file);
        PyFile_WriteObject(text, file, Py_PRINT_RAW);
    }
    PyFile_WriteString("\n", file);
    PyErr_Clear();
}

static void
display_to(PyObject *file, PyObject *exc)
{
    bool done = false;
    if (file != nj_sys_peek(NJ_ID(stderr)) && nj_tstate()->interp->rt.initialized) {
        /* another file than the hook's: the public function takes one */
        NJ_OWN mod = PyImport_ImportModule("traceback");
        NJ_OWN f = mod ? PyObject_GetAttrString(mod, "print_exception") : NULL;
        NJ_OWN kw = f ? Py_BuildValue("{sO}", "file", file) : NULL;
        NJ_OWN args = kw ? PyTuple_Pack(1, exc) : NULL;
        NJ_OWN r = args ? PyObject_Call(f, args, kw) : NULL;
        if (r) {
            return;
        }
        PyErr_Clear();
    }
    if (nj_tstate()->interp->rt.initialized && !nj_tstate()->interp->rt.shutting_down) {
        NJ_OWN mod = PyImport_ImportModule("traceback");
        NJ_OWN f = mod ? PyObject_GetAttrString(mod, "_print_exception_bltin") : NULL;
        NJ_OWN r = f ? PyObject_CallOneArg(f, exc) : NULL;
        done = r != NULL;
        if (!done) {
            PyErr_Clear();
        }
    }
    if (!done) {
        display_plain(file, exc);
    }
    NJ_OWN r = PyObject_CallMethodNoArgs(file, NJ_ID(flush));
    if (!r) {
        PyErr_Clear();
    }
}

void
PyErr_DisplayException(PyObject *exc)
{
    PyObject *file = nj_sys_peek(NJ_ID(stderr));
    if (!file) {
        /* very early or very late: the least that helps */
        NJ_OWN text = PyObject_Str(exc);
        const char *t = text ? PyUnicode_AsUTF8(text) : NULL;
        PyErr_Clear();
        fprintf(stderr, "lost sys.stderr\n%s: %s\n", Py_TYPE(exc)->tp_name,
                t ? t : "<exception str() failed>");
        return;
    }
    if (file == Py_None) {
        return;
    }
    Py_INCREF(file);
    if (PyExceptionInstance_Check(exc)) {
        display_to(file, exc);
    }
    else {
        PyFile_WriteString("TypeError: print_exception(): Exception expected for value, ",
                           file);
        PyFile_WriteString(Py_TYPE(exc)->tp_name, file);
        PyFile_WriteString(" found\n", file);
        PyErr_Clear();
    }
    Py_DECREF(file);
}

void
PyErr_Display(PyObject *file, PyObject *value, PyObject *tb)
{
    if (value && PyExceptionInstance_Check(value) && tb && PyTraceBack_Check(tb)) {
        NJ_OWN cur = PyException_GetTraceback(value);
        if (!cur) {
            PyException_SetTraceback(value, tb);
        }
    }
    if (file && value && PyExceptionInstance_Check(value)) {
        Py_INCREF(file);
        display_to(file, value);
        Py_DECREF(file);
        return;
    }
    PyErr_DisplayException(value);
}

/* 1 if the exception that is set is SystemExit (then it is cleared and *exitcode set and
 * its text written), else 0. */
int
nj_handle_system_exit(int *exitcode)
{
    if (!PyErr_ExceptionMatches(PyExc_SystemExit)) {
        return 0;
    }
    fflush(stdout);
    NJ_OWN exc = PyErr_GetRaisedException();
    NJ_OWN code = PyObject_GetAttr(exc, NJ_ID(code));
    if (!code) {
        PyErr_Clear();
        NJ_SET(code, Py_NewRef(exc));
    }
    if (code == Py_None) {
        *exitcode = 0;
        return 1;
    }
    if (PyLong_Check(code)) {
        *exitcode = (int)PyLong_AsLong(code);
        PyErr_Clear();
        return 1;
    }
    PyObject *file = nj_sys_peek(NJ_ID(stderr));
    if (file && file != Py_None) {
        NJ_OWN f = Py_NewRef(file);
        if (PyFile_WriteObject(code, f, Py_PRINT_RAW) < 0) {
            PyErr_Clear();
        }
    }
    else {
        PyObject_Print(code, stderr, Py_PRINT_RAW);
        fflush(stderr);
    }
    PySys_WriteStderr("\n");
    PyErr_Clear();
    *exitcode = 1;
    return 1;
}

static void
print_current(bool set_last)
{
    PyThreadState *ts = nj_tstate();
    int code;
    if (!nj_config()->inspect && nj_handle_system_exit(&code)) {
        Py_Exit(code);
    }
    PyObject *exc = PyErr_GetRaisedException();
    if (!exc) {
        return;
    }
    NJ_OWN tb = PyException_GetTraceback(exc);
    if (!tb) {
        NJ_SET(tb, Py_NewRef(Py_None));
    }
    if (set_last) {
        if (PySys_SetObject("last_exc", exc) < 0 ||
            PySys_SetObject("last_type", (PyObject *)Py_TYPE(exc)) < 0 ||
            PySys_SetObject("last_value", exc) < 0 ||
            PySys_SetObject("last_traceback", tb) < 0) {
            PyErr_Clear();
        }
    }
    NJ_OWN hook = Py_XNewRef(nj_sys_peek(NJ_ID(excepthook)));
    if (PySys_Audit("sys.excepthook", "OOOO", hook ? hook : Py_None, Py_TYPE(exc), exc,
                    tb) < 0) {
        if (PyErr_ExceptionMatches(PyExc_RuntimeError)) {
            PyErr_Clear();
            goto done;
        }
        PyErr_FormatUnraisable("Exception ignored in audit hook");
    }
    if (hook) {
        PyObject *args[3] = {(PyObject *)Py_TYPE(exc), exc, tb};
        PyObject *r = PyObject_Vectorcall(hook, args, 3, NULL);
        if (!r) {
            PyObject *exc2 = PyErr_GetRaisedException();
            PyErr_SetRaisedException(Py_NewRef(exc2));
            if (!nj_config()->inspect && nj_handle_system_exit(&code)) {
                Py_Exit(code);
            }
            PyErr_Clear();
            PySys_WriteStderr("Error in sys.excepthook:\n");
            PyErr_DisplayException(exc2);
            PySys_WriteStderr("\nOriginal exception was:\n");
            PyErr_DisplayException(exc);
            Py_XDECREF(exc2);
        }
        Py_XDECREF(r);
    }
    else {
        PySys_WriteStderr("sys.excepthook is missing\n");
        PyErr_DisplayException(exc);
    }
done:
    Py_DECREF(exc);
    (void)ts;
}

void
PyErr_PrintEx(int set_sys_last_vars)
{
    print_current(set_sys_last_vars != 0);
}

void
PyErr_Print(void)
{
    PyErr_PrintEx(1);
}

/* --- running ------------------------------------------------------------------------------------ */

static PyObject *
run_code(PyObject *code, PyObject *globals, PyObject *locals)
{
    if (!globals || !PyDict_Check(globals)) {
        PyErr_SetString(PyExc_SystemError, "globals must be a real dict");
        return NULL;
    }
    if (PySys_Audit("exec", "O", code) < 0) {
        return NULL;
    }
    int has = PyDict_Contains(globals, NJ_ID(__builtins__));
    if (has < 0 ||
        (!has && PyDict_SetItem(globals, NJ_ID(__builtins__), PyEval_GetBuiltins()) < 0)) {
        return NULL;
    }
    return PyEval_EvalCode(code, globals, locals);
}

static PyObject *
run_text(const char *text, Py_ssize_t size, PyObject *filename, int start, PyObject *globals,
         PyObject *locals, PyCompilerFlags *flags)
{
    PyCompilerFlags cf = {.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
    if (!flags) {
        flags = &cf;
    }
    NJ_OWN code = nj_compile_text(text, size, filename, start, flags, -1, NULL);
    if (!code) {
        return NULL;
    }
    flags->cf_flags |= ((PyCodeObject *)code)->co_flags & PyCF_MASK;
    return run_code(code, globals, locals);
}

PyObject *
PyRun_StringFlags(const char *text, int start, PyObject *globals, PyObject *locals,
                  PyCompilerFlags *flags)
{
    NJ_OWN name = PyUnicode_FromString("<string>");
    return name ? run_text(text, (Py_ssize_t)strlen(text), name, start, globals, locals,
                           flags)
                : NULL;
}

/* All of a stream, NUL-terminated; PyMem_Free it. */
static char *
read_stream(FILE *fp, Py_ssize_t *size)
{
    size_t cap = 65536, n = 0;
    char *buf = PyMem_Malloc(cap);
    while (buf) {
        size_t r = fread(buf + n, 1, cap - n - 1, fp);
        n += r;
        if (r == 0) {
            if (ferror(fp) && errno == EINTR) {
                clearerr(fp);
                if (PyErr_CheckSignals() < 0) {
                    PyMem_Free(buf);
                    return NULL;
                }
                continue;
            }
            break;
        }
        if (n + 1 >= cap) {
            cap *= 2;
            char *bigger = PyMem_Realloc(buf, cap);
            if (!bigger) {
                PyMem_Free(buf);
            }
            buf = bigger;
        }
    }
    if (!buf) {
        PyErr_NoMemory();
        return NULL;
    }
    if (ferror(fp)) {
        PyErr_SetFromErrno(PyExc_OSError);
        PyMem_Free(buf);
        return NULL;
    }
    buf[n] = 0;
    *size = (Py_ssize_t)n;
    return buf;
}

static PyObject *
run_file(FILE *fp, PyObject *filename, int start, PyObject *globals, PyObject *locals,
         bool closeit, PyCompilerFlags *flags)
{
    Py_ssize_t size;
    NJ_OWN_MEM(char) text = read_stream(fp, &size);
    if (closeit) {
        fclose(fp);
    }
    if (!text) {
        return NULL;
    }
    PyCompilerFlags cf = {.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
    if (flags) {
        cf = *flags;
    }
    cf.cf_flags |= NJ_CF_FILE;
    PyObject *r = run_text(text, size, filename, start, globals, locals, &cf);
    if (flags) {
        flags->cf_flags = cf.cf_flags & ~NJ_CF_FILE;
    }
    return r;
}

PyObject *
PyRun_FileExFlags(FILE *fp, const char *filename, int start, PyObject *globals,
                  PyObject *locals, int closeit, PyCompilerFlags *flags)
{
    NJ_OWN name = PyUnicode_DecodeFSDefault(filename);
    return name ? run_file(fp, name, start, globals, locals, closeit, flags) : NULL;
}

/* 0, or -1 after printing the exception. */
static int
run_simple_text(const char *text, const char *shown, PyCompilerFlags *flags)
{
    NJ_OWN m = PyImport_AddModuleRef("__main__");
    if (!m) {
        return -1;
    }
    PyObject *d = PyModule_GetDict(m);
    NJ_OWN name = PyUnicode_FromString(shown);
    NJ_OWN v = name ? run_text(text, (Py_ssize_t)strlen(text), name, Py_file_input, d, d,
                               flags)
                    : NULL;
    if (!v) {
        PyErr_Print();
        return -1;
    }
    return 0;
}

int
PyRun_SimpleStringFlags(const char *text, PyCompilerFlags *flags)
{
    return run_simple_text(text, "<string>", flags);
}

static bool
is_pyc(FILE *fp, PyObject *filename)
{
    NJ_OWN ext = PyUnicode_FromString(".pyc");
    if (ext && PyUnicode_Tailmatch(filename, ext, 0, PY_SSIZE_T_MAX, 1) > 0) {
        return true;
    }
    struct stat st;
    if (fstat(fileno(fp), &st) != 0 || !S_ISREG(st.st_mode)) {
        return false;
    }
    unsigned char b[2];
    bool yes = false;
    long magic = PyImport_GetMagicNumber();
    if (ftell(fp) == 0) {
        if (fread(b, 1, 2, fp) == 2 && (b[1] << 8 | b[0]) == (magic & 0xffff)) {
            yes = true;
        }
        rewind(fp);
    }
    return yes;
}

static PyObject *
run_pyc(FILE *fp, PyObject *globals)
{
    long magic = PyMarshal_ReadLongFromFile(fp);
    if (magic != PyImport_GetMagicNumber()) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "Bad magic number in .pyc file");
        }
        return NULL;
    }
    for (int i = 0; i < 3; i++) {
        (void)PyMarshal_ReadLongFromFile(fp);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    NJ_OWN code = PyMarshal_ReadLastObjectFromFile(fp);
    if (!code || !PyCode_Check(code)) {
        if (code) {
            PyErr_SetString(PyExc_RuntimeError, "Bad code object in .pyc file");
        }
        return NULL;
    }
    return run_code(code, globals, globals);
}

static int
set_loader(PyObject *d, PyObject *filename, const char *loader)
{
    NJ_OWN ext = PyObject_GetAttrString(nj_interp()->importlib, "_bootstrap_external");
    NJ_OWN type = ext ? PyObject_GetAttrString(ext, loader) : NULL;
    NJ_OWN l = type ? PyObject_CallFunction(type, "sO", "__main__", filename) : NULL;
    return l ? PyDict_SetItem(d, NJ_ID(__loader__), l) : -1;
}

/* What the file holds, run in the module __main__ with the dict d. */
static PyObject *
run_in_main(FILE *fp, PyObject *filename, PyObject *d, bool closeit, PyCompilerFlags *flags)
{
    bool pyc = is_pyc(fp, filename);
    NJ_OWN v = NULL;
    bool stdin_ = PyUnicode_EqualToUTF8(filename, "<stdin>");
    if ((stdin_ && !pyc) || set_loader(d, filename, pyc ? "SourcelessFileLoader" : "SourceFileLoader") == 0) {
        if (!pyc) {
            return run_file(fp, filename, Py_file_input, d, d, closeit, flags);
        }
        NJ_SET(v, run_pyc(fp, d));
    }
    if (closeit) {
        fclose(fp);
    }
    return NJ_TAKE(v);
}

/* Runs a file in __main__, which has a __file__ meanwhile; excepthook and atexit functions see none. */
static int
run_main_file(FILE *fp, PyObject *filename, bool closeit, PyCompilerFlags *flags)
{
    NJ_OWN m = PyImport_AddModuleRef("__main__");
    PyObject *d = m ? PyModule_GetDict(m) : NULL;
    int has = d ? PyDict_Contains(d, NJ_ID(__file__)) : -1;
    if (has < 0 || (!has && (PyDict_SetItem(d, NJ_ID(__file__), filename) < 0 ||
                             PyDict_SetItem(d, NJ_ID(__cached__), Py_None) < 0))) {
        if (closeit) {
            fclose(fp);
        }
        return -1;
    }
    NJ_OWN v = run_in_main(fp, filename, d, closeit, flags);
    nj_flush_std_files();
    NJ_OWN exc = PyErr_GetRaisedException();
    if (!has && (PyDict_Pop(d, NJ_ID(__file__), NULL) < 0 ||
                 PyDict_Pop(d, NJ_ID(__cached__), NULL) < 0)) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(NJ_TAKE(exc));
    return v ? 0 : -1;
}

static int
run_simple_file(FILE *fp, PyObject *filename, bool closeit, PyCompilerFlags *flags)
{
    int rc = run_main_file(fp, filename, closeit, flags);
    if (rc < 0) {
        PyErr_Print();
    }
    return rc;
}

int
PyRun_SimpleFileExFlags(FILE *fp, const char *filename, int closeit, PyCompilerFlags *flags)
{
    NJ_OWN name = PyUnicode_DecodeFSDefault(filename);
    if (!name) {
        PyErr_Print();
        return -1;
    }
    return run_simple_file(fp, name, closeit, flags);
}

/* --- interactive -------------------------------------------------------------------------------------- */

/* The thread that is in PyOS_Readline, for what it calls without the GIL; and the lock that
 * keeps others out. */
PyAPI_DATA(PyThreadState *) _PyOS_ReadlineTState;
PyThreadState *_PyOS_ReadlineTState = NULL;
static PyMutex reading;

/* What reads a line where nothing edits it: prompt on stderr, the line with its newline,
 * "" at the end of the file, NULL with an exception or without memory. Called without the
 * GIL; the result is PyMem_RawMalloc's. */
static char *
read_plain_line(FILE *in, FILE *out, const char *prompt)
{
    if (prompt) {
        fputs(prompt, stderr);
    }
    fflush(stderr);
    size_t cap = 0;
    char *line = NULL;
    ssize_t n;
    for (;;) {
        if (PyOS_InputHook) {
            (void)PyOS_InputHook();
        }
        errno = 0;
        clearerr(in);
        n = getline(&line, &cap, in);
        if (n >= 0 || errno != EINTR) {
            break;
        }
        PyEval_RestoreThread(_PyOS_ReadlineTState);
        int rc = PyErr_CheckSignals();
        PyEval_SaveThread();
        if (rc < 0) {
            free(line);
            return NULL;
        }
    }
    size_t size = n < 0 ? 0 : (size_t)n;
    char *copy = PyMem_RawMalloc(size + 1);
    if (copy) {
        memcpy(copy, line ? line : "", size);
        copy[size] = 0;
    }
    free(line);
    return copy;
}

char *
PyOS_Readline(FILE *in, FILE *out, const char *prompt)
{
    PyThreadState *ts = nj_tstate();
    if (_PyOS_ReadlineTState == ts) {
        PyErr_SetString(PyExc_RuntimeError, "can't re-enter readline");
        return NULL;
    }
    PyMutex_Lock(&reading);
    _PyOS_ReadlineTState = ts;
    bool edited = PyOS_ReadlineFunctionPointer && isatty(fileno(in)) && isatty(fileno(out));
    char *raw;
    Py_BEGIN_ALLOW_THREADS
    raw = (edited ? PyOS_ReadlineFunctionPointer : read_plain_line)(in, out, prompt);
    Py_END_ALLOW_THREADS
    _PyOS_ReadlineTState = NULL;
    PyMutex_Unlock(&reading);
    if (!raw) {
        return NULL;
    }
    char *copy = _PyMem_Strdup(raw);
    PyMem_RawFree(raw);
    if (!copy) {
        PyErr_NoMemory();
    }
    return copy;
}

/* Another thread of the parent may have been reading. */
void
nj_pyrun_after_fork_child(void)
{
    if (_PyOS_ReadlineTState != nj_tstate()) {
        _PyOS_ReadlineTState = NULL;
        reading = (PyMutex){0};
    }
}

static char *
prompt_text(PyObject *name, const char *dflt, PyObject **hold)
{
    *hold = NULL;
    PyObject *v = nj_sys_peek(name);
    if (v) {
        *hold = PyObject_Str(v);
        if (!*hold) {
            PyErr_Clear();
        }
    }
    const char *s = *hold ? PyUnicode_AsUTF8(*hold) : dflt;
    return (char *)(s ? s : "");
}

/* Gives the text to linecache, so that tracebacks can show it. Errors are ignored. */
static void
register_source(PyObject *code, const char *text, Py_ssize_t n, PyObject *filename)
{
    NJ_OWN src = PyUnicode_DecodeUTF8(text, n, "replace");
    NJ_OWN f = src ? PyImport_ImportModuleAttrString("linecache", "_register_code") : NULL;
    NJ_OWN r = f ? PyObject_CallFunctionObjArgs(f, code, src, filename, NULL) : NULL;
    if (!r) {
        PyErr_Clear();
    }
}

/* Nothing but blanks and comments? */
static bool
is_blank(const char *s)
{
    for (;; s++) {
        s += strspn(s, " \t\f\r\n");
        if (*s == '#') {
            s += strcspn(s, "\n");
        }
        if (*s == 0) {
            return true;
        }
        if (*s != '\n') {
            return false;
        }
    }
}

/* Parses n bytes of text. 1 a statement, 0 the beginning of one, -1 an error (set). */
static int
try_parse(const char *text, size_t n, PyObject *filename, int cf_flags)
{
    PyCompilerFlags try = {.cf_flags = cf_flags | PyCF_DONT_IMPLY_DEDENT | PyCF_ONLY_AST |
                                       PyCF_ALLOW_INCOMPLETE_INPUT | NJ_CF_TRIAL,
                           .cf_feature_version = PY_MINOR_VERSION};
    NJ_OWN ast = nj_compile_text(text, (Py_ssize_t)n, filename, Py_single_input, &try, -1,
                                 NULL);
    if (ast) {
        return 1;
    }
    if (strcmp(Py_TYPE(nj_tstate()->current_exception)->tp_name, "_IncompleteInputError") != 0) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

/* Is text, which ends with a whole line, the end of a statement? 1, 0, or -1 with an
 * exception: nothing that may follow makes it a statement. */
static int
is_complete(const char *text, size_t n, size_t last_line, PyObject *filename, int cf_flags)
{
    int r = try_parse(text, n, filename, cf_flags);
    if (r > 0) {
        /* without its last newline: a block then wants the empty line after it */
        r = try_parse(text, n - 1, filename, cf_flags);
        if (r < 0) {
            PyErr_Clear();
            return 0;
        }
    }
    if (r == 0 && text[last_line + strspn(text + last_line, " \t\f\r")] == '\n') {
        /* an empty line ends everything but brackets and strings */
        r = nj_source_open(text, (Py_ssize_t)n);
        r = r < 0 ? r : !r;
    }
    return r;
}

/* An error found after parsing has looked for its line in a file of that name. */
static void
add_error_text(const char *text, size_t n)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_SyntaxError)) {
        NJ_OWN had = PyObject_GetAttr(exc, NJ_ID(text));
        NJ_OWN lineno = PyObject_GetAttr(exc, NJ_ID(lineno));
        if (had == Py_None && lineno && PyLong_Check(lineno)) {
            NJ_OWN line = nj_source_line(text, (Py_ssize_t)n, PyLong_AsInt(lineno), "utf-8");
            if (line) {
                (void)PyObject_SetAttr(exc, NJ_ID(text), line);
            }
        }
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exc);
}

/* Reads the lines of one statement into *out (PyMem_Free). 0 done, -1 exception, E_EOF-like
 * 11 end of input; *out NULL: nothing to run. */
static int
read_statement(FILE *fp, PyObject *filename, int cf_flags, char **out, size_t *size)
{
    PyObject *h1, *h2;
    char *ps1 = prompt_text(NJ_ID(ps1), "", &h1);
    char *ps2 = prompt_text(NJ_ID(ps2), "", &h2);
    char *text = NULL;
    size_t n = 0;
    int rc = 0;
    for (;;) {
        char *line = PyOS_Readline(fp, stdout, text ? ps2 : ps1);
        if (!line) {
            if (!PyErr_Occurred()) {
                PyErr_SetNone(PyExc_KeyboardInterrupt);
            }
            rc = -1;
            break;
        }
        size_t k = strlen(line);
        if (k == 0) { /* the end of the file */
            PyMem_Free(line);
            if (!text) {
                rc = 11;
            }
            else {
                PySys_WriteStderr("\n");
            }
            break;
        }
        char *bigger = PyMem_Realloc(text, n + k + 1);
        if (!bigger) {
            PyMem_Free(line);
            PyErr_NoMemory();
            rc = -1;
            break;
        }
        text = bigger;
        size_t last_line = n;
        memcpy(text + n, line, k + 1);
        n += k;
        PyMem_Free(line);
        if (text[n - 1] != '\n') {
            continue; /* no more lines, but the rest is asked for */
        }
        if (is_blank(text)) {
            PyMem_Free(text);
            text = NULL;
            break;
        }
        rc = is_complete(text, n, last_line, filename, cf_flags);
        if (rc != 0) {
            rc = rc < 0 ? -1 : 0;
            break;
        }
    }
    Py_XDECREF(h1);
    Py_XDECREF(h2);
    *out = text;
    *size = n;
    return rc;
}

/* A name for one statement: <stdin-5>, or file-5. */
static PyObject *
numbered(PyObject *filename)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(filename);
    bool closes = n && PyUnicode_READ_CHAR(filename, n - 1) == '>';
    NJ_OWN stem = PyUnicode_Substring(filename, 0, n - closes);
    return stem ? PyUnicode_FromFormat("%U-%zd%s", stem, nj_interp()->rt.n_interactive++,
                                       closes ? ">" : "")
                : NULL;
}

/* One statement from fp. 0 done, -1 exception (set), 11 end of input. */
static int
interactive_one(FILE *fp, PyObject *filename, PyCompilerFlags *flags)
{
    PyCompilerFlags cf = {.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
    if (!flags) {
        flags = &cf;
    }
    char *read;
    size_t n;
    int rc = read_statement(fp, filename, flags->cf_flags, &read, &n);
    NJ_OWN_MEM(char) text = read;
    if (rc || !text) {
        nj_interp()->rt.n_interactive += rc == 0; /* an empty line is a statement, too */
        return rc;
    }
    /* errors of the grammar name the file; what compiles gets a name of its own, under which
     * linecache keeps its source */
    PyCompilerFlags try = *flags;
    try.cf_flags |= PyCF_ONLY_AST | NJ_CF_TRIAL;
    NJ_OWN ast = nj_compile_text(text, (Py_ssize_t)n, filename, Py_single_input, &try, -1,
                                 NULL);
    if (!ast) {
        return -1;
    }
    NJ_OWN name = numbered(filename);
    if (!name) {
        return -1;
    }
    NJ_OWN code = nj_compile_text(text, (Py_ssize_t)n, name, Py_single_input, flags, -1,
                                  NULL);
    if (!code) {
        add_error_text(text, n);
        return -1;
    }
    flags->cf_flags |= ((PyCodeObject *)code)->co_flags & PyCF_MASK;
    register_source(code, text, (Py_ssize_t)n, filename);
    NJ_OWN m = PyImport_AddModuleRef("__main__");
    if (!m) {
        return -1;
    }
    PyObject *d = PyModule_GetDict(m);
    NJ_OWN v = run_code(code, d, d);
    nj_flush_std_files();
    return v ? 0 : -1;
}

int
PyRun_InteractiveOneObject(FILE *fp, PyObject *filename, PyCompilerFlags *flags)
{
    int rc = -1;
    if (PyUnicode_Check(filename)) {
        rc = interactive_one(fp, filename, flags);
    } else {
        PyErr_Format(PyExc_TypeError, "expect str for filename, got %T", filename);
    }
    if (rc == -1) {
        PyErr_Print();
        nj_flush_std_files();
    }
    return rc;
}

int
PyRun_InteractiveOneFlags(FILE *fp, const char *filename, PyCompilerFlags *flags)
{
    NJ_OWN name = PyUnicode_DecodeFSDefault(filename);
    if (!name) {
        PyErr_Print();
        return -1;
    }
    return PyRun_InteractiveOneObject(fp, name, flags);
}

static int
interactive_loop(FILE *fp, PyObject *filename, PyCompilerFlags *flags)
{
    PyCompilerFlags cf = {.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
    if (!flags) {
        flags = &cf;
    }
    if (!nj_sys_peek(NJ_ID(ps1))) {
        NJ_OWN s = PyUnicode_FromString(">>> ");
        if (!s || nj_sys_set("ps1", s) < 0) {
            PyErr_Clear();
        }
    }
    if (!nj_sys_peek(NJ_ID(ps2))) {
        NJ_OWN s = PyUnicode_FromString("... ");
        if (!s || nj_sys_set("ps2", s) < 0) {
            PyErr_Clear();
        }
    }
    int nomem = 0;
    for (;;) {
        int rc = interactive_one(fp, filename, flags);
        if (rc == 11) {
            PySys_WriteStderr("\n");
            return 0;
        }
        if (rc == -1) {
            nomem = PyErr_ExceptionMatches(PyExc_MemoryError) ? nomem + 1 : 0;
            if (nomem > 16) {
                PyErr_Clear();
                return -1;
            }
            PyErr_Print();
            nj_flush_std_files();
        }
        else {
            nomem = 0;
        }
    }
}

int
PyRun_InteractiveLoopFlags(FILE *fp, const char *filename, PyCompilerFlags *flags)
{
    NJ_OWN name = PyUnicode_DecodeFSDefault(filename);
    if (!name) {
        PyErr_Print();
        return -1;
    }
    return interactive_loop(fp, name, flags);
}

int
Py_FdIsInteractive(FILE *fp, const char *filename)
{
    if (isatty(fileno(fp))) {
        return 1;
    }
    if (!nj_config()->interactive) {
        return 0;
    }
    return !filename || strcmp(filename, "<stdin>") == 0 || strcmp(filename, "???") == 0;
}

static int
run_any_file(FILE *fp, PyObject *filename, bool closeit, PyCompilerFlags *flags)
{
    const char *s = PyUnicode_AsUTF8(filename);
    if (!s) {
        PyErr_Clear();
    }
    if (Py_FdIsInteractive(fp, s)) {
        int rc = interactive_loop(fp, filename, flags);
        if (closeit) {
            fclose(fp);
        }
        return rc;
    }
    return run_simple_file(fp, filename, closeit, flags);
}

int
PyRun_AnyFileExFlags(FILE *fp, const char *filename, int closeit, PyCompilerFlags *flags)
{
    NJ_OWN name = filename ? PyUnicode_DecodeFSDefault(filename) : PyUnicode_FromString("???");
    if (!name) {
        PyErr_Print();
        return -1;
    }
    return run_any_file(fp, name, closeit, flags);
}

#undef PyRun_String
#undef PyRun_AnyFile
#undef PyRun_AnyFileEx
#undef PyRun_AnyFileFlags
#undef PyRun_SimpleString
#undef PyRun_SimpleFile
#undef PyRun_SimpleFileEx
#undef PyRun_InteractiveOne
#undef PyRun_InteractiveLoop
#undef PyRun_File
#undef PyRun_FileEx
#undef PyRun_FileFlags

PyObject *
PyRun_String(const char *s, int start, PyObject *g, PyObject *l)
{
    return PyRun_StringFlags(s, start, g, l, NULL);
}

int
PyRun_AnyFile(FILE *fp, const char *name)
{
    return PyRun_AnyFileExFlags(fp, name, 0, NULL);
}

int
PyRun_AnyFileEx(FILE *fp, const char *name, int closeit)
{
    return PyRun_AnyFileExFlags(fp, name, closeit, NULL);
}

int
PyRun_AnyFileFlags(FILE *fp, const char *name, PyCompilerFlags *flags)
{
    return PyRun_AnyFileExFlags(fp, name, 0, flags);
}

int
PyRun_SimpleString(const char *s)
{
    return PyRun_SimpleStringFlags(s, NULL);
}

int
PyRun_SimpleFile(FILE *fp, const char *name)
{
    return PyRun_SimpleFileExFlags(fp, name, 0, NULL);
}

int
PyRun_SimpleFileEx(FILE *fp, const char *name, int closeit)
{
    return PyRun_SimpleFileExFlags(fp, name, closeit, NULL);
}

int
PyRun_InteractiveOne(FILE *fp, const char *name)
{
    return PyRun_InteractiveOneFlags(fp, name, NULL);
}

int
PyRun_InteractiveLoop(FILE *fp, const char *name)
{
    return PyRun_InteractiveLoopFlags(fp, name, NULL);
}

PyObject *
PyRun_File(FILE *fp, const char *name, int start, PyObject *g, PyObject *l)
{
    return PyRun_FileExFlags(fp, name, start, g, l, 0, NULL);
}

PyObject *
PyRun_FileEx(FILE *fp, const char *name, int start, PyObject *g, PyObject *l, int closeit)
{
    return PyRun_FileExFlags(fp, name, start, g, l, closeit, NULL);
}

PyObject *
PyRun_FileFlags(FILE *fp, const char *name, int start, PyObject *g, PyObject *l,
                PyCompilerFlags *flags)
{
    return PyRun_FileExFlags(fp, name, start, g, l, 0, flags);
}

/* --- the main program ------------------------------------------------------------------------------------ */

static int
exit_status_of_error(void)
{
    int code;
    if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        PyErr_Print();
        return -SIGINT - 1000;
    }
    if (nj_handle_system_exit(&code)) {
        return code;
    }
    PyErr_Print();
    return 1;
}

/* runpy._run_module_as_main(module, set_argv0): 0, or -1 with an exception */
static int
run_module(const wchar_t *name, bool set_argv0)
{
    if (PySys_Audit("cpython.run_module", "u", name) < 0) {
        return -1;
    }
    NJ_OWN runpy = PyImport_ImportModule("runpy");
    NJ_OWN f = runpy ? PyObject_GetAttrString(runpy, "_run_module_as_main") : NULL;
    NJ_OWN mod = f ? PyUnicode_FromWideChar(name, -1) : NULL;
    if (!mod) {
        return -1;
    }
    NJ_OWN r = PyObject_CallFunctionObjArgs(f, mod, set_argv0 ? Py_True : Py_False, NULL);
    return r ? 0 : -1;
}

PyObject *
nj_run_main_module(const wchar_t *name, bool set_argv0)
{
    return run_module(name, set_argv0) < 0 ? NULL : Py_NewRef(Py_None);
}

/* New interpreters begin their sys.path with the entry, too. */
static int
insert_path0(PyConfig *c, PyObject *entry)
{
    PyObject *path = nj_sys_peek(NJ_ID(path));
    if (!path) {
        PyErr_SetString(PyExc_RuntimeError, "lost sys.path");
        return -1;
    }
    if (PyList_Insert(path, 0, entry) < 0) {
        return -1;
    }
    wchar_t *w = PyUnicode_AsWideCharString(entry, NULL);
    if (!w) {
        return -1;
    }
    PyStatus st = PyConfig_SetString(c, &c->sys_path_0, w);
    PyMem_Free(w);
    if (PyStatus_Exception(st)) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* Directory of the script (links followed), or the current one: sys.path[0]. 1 / 0 / -1 */
static int
script_dir(const PyConfig *c, PyObject **out)
{
    *out = NULL;
    const wchar_t *a0 = c->argv.length ? c->argv.items[0] : L"";
    if (c->run_module) {
        char cwd[4096];
        if (!getcwd(cwd, sizeof cwd)) {
            return 0;
        }
        *out = PyUnicode_DecodeFSDefault(cwd);
        return *out ? 1 : -1;
    }
    if (c->run_command || !c->run_filename) {
        *out = PyUnicode_FromString("");
        return *out ? 1 : -1;
    }
    char *s = Py_EncodeLocale(a0, NULL);
    if (!s) {
        return 0;
    }
    char link[4096], full[8300], real[4097];
    ssize_t n = readlink(s, link, sizeof link - 1);
    if (n > 0) {
        link[n] = 0;
        if (link[0] == '/') {
            snprintf(full, sizeof full, "%s", link);
        }
        else {
            char *slash = strrchr(s, '/');
            snprintf(full, sizeof full, "%.*s%s", slash ? (int)(slash - s + 1) : 0, s, link);
        }
    }
    else {
        snprintf(full, sizeof full, "%s", s);
    }
    PyMem_Free(s);
    if (realpath(full, real)) {
        snprintf(full, sizeof full, "%s", real);
    }
    char *slash = strrchr(full, '/');
    if (slash) {
        slash[slash == full ? 1 : 0] = 0;
    }
    else {
        full[0] = 0;
    }
    *out = PyUnicode_DecodeFSDefault(full);
    return *out ? 1 : -1;
}

/* An importer for filename (directory or zip file with __main__), else NULL. */
static PyObject *
main_importer(const wchar_t *filename)
{
    NJ_OWN path = PyUnicode_FromWideChar(filename, -1);
    NJ_OWN imp = path ? PyImport_GetImporter(path) : NULL;
    if (!imp) {
        return NULL;
    }
    return imp == Py_None ? NULL : NJ_TAKE(path);
}

/* The text of -c without the indentation that all its lines share; lines of blanks alone
 * become empty. In place: the text only gets shorter. */
static void
dedent(char *text)
{
    size_t margin = SIZE_MAX;
    const char *first = NULL;
    for (const char *line = text, *next; *line; line = next) {
        next = line + strcspn(line, "\n");
        next += *next == '\n';
        size_t n = strspn(line, " \t");
        if (line[n] == '\n' || !line[n]) {
            continue;
        }
        if (!first) {
            first = line;
            margin = n;
        }
        for (size_t i = 0; i < margin; i++) {
            if (i >= n || line[i] != first[i]) {
                margin = i;
            }
        }
    }
    if (!margin) {
        return;
    }
    char *out = text;
    for (const char *in = text; *in;) {
        size_t n = strspn(in, " \t");
        in += in[n] == '\n' || !in[n] ? n : margin;
        while (*in && *in != '\n') {
            *out++ = *in++;
        }
        if (*in) {
            *out++ = *in++;
        }
    }
    *out = 0;
}

static int
run_command(const wchar_t *command)
{
    NJ_OWN text = PyUnicode_FromWideChar(command, -1);
    if (!text || PySys_Audit("cpython.run_command", "O", text) < 0) {
        return exit_status_of_error();
    }
    /* -c "  code" may be indented as a whole */
    NJ_OWN dedented = NULL;
    const char *s = PyUnicode_AsUTF8(text);
    if (!s) {
        PyErr_Clear();
        fprintf(stderr, "Unable to decode the command from the command line:\n");
        NJ_OWN bytes = PyUnicode_AsUTF8String(text);
        return exit_status_of_error();
    }
    if (*s == '\n' || *s == ' ' || *s == '\t') {
        NJ_OWN_MEM(char) copy = PyMem_Malloc(strlen(s) + 1);
        if (!copy) {
            PyErr_NoMemory();
            return exit_status_of_error();
        }
        dedent(strcpy(copy, s));
        NJ_SET(dedented, PyUnicode_FromString(copy));
        s = dedented ? PyUnicode_AsUTF8(dedented) : NULL;
        if (!s) {
            return exit_status_of_error();
        }
    }
    NJ_OWN m = PyImport_AddModuleRef("__main__");
    NJ_OWN name = PyUnicode_FromString("<string>");
    if (!m || !name) {
        return exit_status_of_error();
    }
    PyCompilerFlags cf = {.cf_flags = PyCF_IGNORE_COOKIE | PyCF_SOURCE_IS_UTF8,
                          .cf_feature_version = PY_MINOR_VERSION};
    PyObject *d = PyModule_GetDict(m);
    /* the text goes to linecache, so that tracebacks can show it */
    NJ_OWN lc = NULL;
    if (nj_interp()->rt.site_done) {
        NJ_SET(lc, PyImport_ImportModule("linecache"));
    }
    PyErr_Clear();
    NJ_OWN code = nj_compile_text(s, (Py_ssize_t)strlen(s), name, Py_file_input, &cf, -1,
                                  NULL);
    if (code && lc) {
        NJ_OWN src = dedented ? Py_NewRef(dedented) : Py_NewRef(text);
        NJ_OWN r = PyObject_CallMethod(lc, "_register_code", "OOs", code, src, "<string>");
        if (!r) {
            PyErr_Clear();
        }
    }
    NJ_OWN v = code ? run_code(code, d, d) : NULL;
    return v ? 0 : exit_status_of_error();
}

static int
run_filename(const PyConfig *c)
{
    NJ_OWN name = PyUnicode_FromWideChar(c->run_filename, -1);
    if (!name || PySys_Audit("cpython.run_file", "O", name) < 0) {
        return exit_status_of_error();
    }
    char *s = Py_EncodeLocale(c->run_filename, NULL);
    FILE *fp = s ? fopen(s, "rbe") : NULL;
    if (!fp) {
        int err = errno;
        fprintf(stderr, "%ls: can't open file '%s': [Errno %d] %s\n", c->program_name,
                s ? s : "?", err, strerror(err));
        /* the reference shows the absolute path */
        PyMem_Free(s);
        return 2;
    }
    PyMem_Free(s);
    struct stat st;
    if (fstat(fileno(fp), &st) == 0 && S_ISDIR(st.st_mode)) {
        fprintf(stderr, "%ls: '%ls' is a directory, cannot continue\n", c->program_name,
                c->run_filename);
        fclose(fp);
        return 1;
    }
    if (c->skip_source_first_line) {
        int ch;
        while ((ch = getc(fp)) != EOF && ch != '\n') {
        }
        if (ch == '\n') {
            ungetc(ch, fp);
        }
    }
    PyCompilerFlags cf = {.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
    return run_main_file(fp, name, true, &cf) < 0 ? exit_status_of_error() : 0;
}

static int
run_startup(PyCompilerFlags *cf)
{
    const char *s = nj_config()->use_environment ? getenv("PYTHONSTARTUP") : NULL;
    if (!s || !*s) {
        return 0;
    }
    if (PySys_Audit("cpython.run_startup", "s", s) < 0) {
        return -1;
    }
    FILE *fp = fopen(s, "re");
    if (!fp) {
        int err = errno;
        PySys_WriteStderr("Could not open PYTHONSTARTUP\n");
        errno = err;
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, s);
        return -1;
    }
    NJ_OWN name = PyUnicode_DecodeFSDefault(s);
    if (name) {
        run_simple_file(fp, name, true, cf);
    }
    PyErr_Clear();
    return 0;
}

static int
run_interactive_hook(void)
{
    PyObject *hook = nj_sys_peek(NJ_ID(__interactivehook__));
    if (!hook) {
        return 0;
    }
    if (PySys_Audit("cpython.run_interactivehook", "O", hook) < 0) {
        return -1;
    }
    NJ_OWN h = Py_NewRef(hook);
    NJ_OWN r = PyObject_CallNoArgs(h);
    if (!r) {
        PySys_WriteStderr("Failed calling sys.__interactivehook__\n");
        return -1;
    }
    return 0;
}

static void
show_banner(const PyConfig *c)
{
    if (c->quiet || (!c->verbose && (c->run_command || c->run_filename || c->run_module))) {
        return;
    }
    bool tty = isatty(0) || c->interactive;
    if (!c->verbose && !tty) {
        return;
    }
    fprintf(stderr, "Python %s on %s\n", Py_GetVersion(), Py_GetPlatform());
    if (c->site_import) {
        fprintf(stderr, "Type \"help\", \"copyright\", \"credits\" or \"license\" for more "
                        "information.\n");
    }
}

/* The library's REPL, in the namespace of __main__. */
static int
run_pyrepl(bool startup)
{
    NJ_OWN m = PyImport_AddModuleRef("__main__");
    NJ_OWN repl = m ? PyImport_ImportModule("_pyrepl.main") : NULL;
    NJ_OWN console = repl ? PyObject_GetAttrString(repl, "interactive_console") : NULL;
    NJ_OWN kwargs = console ? Py_BuildValue("{s:O,s:O}", "mainmodule", m, "pythonstartup",
                                            startup ? Py_True : Py_False)
                            : NULL;
    NJ_OWN none = kwargs ? PyTuple_New(0) : NULL;
    NJ_OWN r = none ? PyObject_Call(console, none, kwargs) : NULL;
    return r ? 0 : exit_status_of_error();
}

/* The REPL, or a program on standard input. */
static int
run_stdin(const PyConfig *c)
{
    PyCompilerFlags cf = {.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
    bool tty = isatty(0) || c->interactive;
    if (tty) {
        nj_interp()->rt.config.inspect = 0;
        if (run_startup(&cf) < 0 || run_interactive_hook() < 0) {
            PyErr_Print();
        }
    }
    const char *basic = c->use_environment ? getenv("PYTHON_BASIC_REPL") : NULL;
    if (PySys_Audit("cpython.run_stdin", NULL) < 0) {
        return exit_status_of_error();
    }
    int rc;
    if (tty && isatty(0) && isatty(1) && !(basic && *basic)) {
        return run_pyrepl(false);
    }
    if (tty) {
        NJ_OWN name = PyUnicode_FromString("<stdin>");
        rc = name ? interactive_loop(stdin, name, &cf) : -1;
        return rc != 0;
    }
    NJ_OWN m = PyImport_AddModuleRef("__main__");
    NJ_OWN name = PyUnicode_FromString("<stdin>");
    if (!m || !name) {
        return exit_status_of_error();
    }
    PyObject *d = PyModule_GetDict(m);
    NJ_OWN v = run_file(stdin, name, Py_file_input, d, d, false, &cf);
    nj_flush_std_files();
    return v ? 0 : exit_status_of_error();
}

int
nj_run_main(PyThreadState *ts)
{
    NjInterp *interp = ts->interp;
    PyConfig *c = &interp->rt.config;
    int code = 0;
    NJ_OWN main_path = NULL;
    if (c->run_filename) {
        NJ_SET(main_path, main_importer(c->run_filename));
        if (!main_path && PyErr_Occurred()) {
            return exit_status_of_error();
        }
    }
    if (main_path) {
        if (insert_path0(c, main_path) < 0) {
            return exit_status_of_error();
        }
    }
    else if (!c->safe_path) {
        PyObject *dir;
        int rc = script_dir(c, &dir);
        if (rc < 0) {
            return exit_status_of_error();
        }
        if (rc > 0) {
            NJ_OWN d = dir;
            if (insert_path0(c, d) < 0) {
                return exit_status_of_error();
            }
        }
    }
    show_banner(c);
    if (c->run_command) {
        code = run_command(c->run_command);
    }
    else if (c->run_module) {
        if (run_module(c->run_module, true) < 0) {
            code = exit_status_of_error();
        }
    }
    else if (main_path) {
        if (run_module(L"__main__", false) < 0) {
            code = exit_status_of_error();
        }
    }
    else if (c->run_filename) {
        code = run_filename(c);
    }
    else {
        code = run_stdin(c);
        return code;
    }
    /* -i: stay */
    const char *inspect = c->use_environment ? getenv("PYTHONINSPECT") : NULL;
    if (c->inspect || (inspect && *inspect)) {
        c->inspect = 0;
        if (isatty(0) || c->interactive) {
            PyCompilerFlags cf = {.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
            if (run_interactive_hook() < 0) {
                PyErr_Print();
            }
            const char *basic = c->use_environment ? getenv("PYTHON_BASIC_REPL") : NULL;
            if (isatty(0) && isatty(1) && !(basic && *basic)) {
                return run_pyrepl(true);
            }
            NJ_OWN name = PyUnicode_FromString("<stdin>");
            code = name ? interactive_loop(stdin, name, &cf) != 0 : 1;
        }
    }
    return code;
}

static int
main_with(PyConfig *config)
{
    PyStatus st = Py_InitializeFromConfig(config);
    PyConfig_Clear(config);
    if (PyStatus_IsExit(st)) {
        return st.exitcode;
    }
    if (PyStatus_Exception(st)) {
        Py_ExitStatusException(st);
    }
    return Py_RunMain();
}

int
Py_BytesMain(int argc, char **argv)
{
    PyConfig config;
    nj_runtime_init();
    PyConfig_InitPythonConfig(&config);
    PyStatus st = PyConfig_SetBytesArgv(&config, argc, argv);
    if (PyStatus_Exception(st)) {
        PyConfig_Clear(&config);
        Py_ExitStatusException(st);
    }
    return main_with(&config);
}

int
Py_Main(int argc, wchar_t **argv)
{
    PyConfig config;
    nj_runtime_init();
    PyConfig_InitPythonConfig(&config);
    PyStatus st = PyConfig_SetArgv(&config, argc, argv);
    if (PyStatus_Exception(st)) {
        PyConfig_Clear(&config);
        Py_ExitStatusException(st);
    }
    return main_with(&config);
}

int
Py_FrozenMain(int argc, char **argv)
{
    PyConfig config;
    nj_runtime_init();
    PyConfig_InitPythonConfig(&config);
    config.pathconfig_warnings = 0;
    config.parse_argv = 0;
    PyStatus st = PyConfig_SetBytesArgv(&config, argc, argv);
    if (!PyStatus_Exception(st)) {
        st = Py_InitializeFromConfig(&config);
    }
    PyConfig_Clear(&config);
    if (PyStatus_Exception(st)) {
        Py_ExitStatusException(st);
    }
    int n = PyImport_ImportFrozenModule("__main__");
    if (n == 0) {
        Py_FatalError("the __main__ module is not frozen");
    }
    int code = 0;
    if (n < 0) {
        PyErr_Print();
        code = 1;
    }
    if (Py_FinalizeEx() < 0) {
        code = 120;
    }
    return code;
}

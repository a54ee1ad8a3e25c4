/* iomodule.c - the _io module: open() and the types of the other files here.
 * SPDX-License-Identifier: MIT
 */
#include "modules/io/io_int.h"

/* What a mode string asks for. */
typedef struct OpenMode {
    const char *text;
    bool reading, writing, updating, binary;
} OpenMode;

/* Puts the buffer and text layers over raw. *top is replaced by the outermost layer made so
 * far, which the caller closes when this fails. New reference or NULL. */
static PyObject *
add_layers(NjIoState *st, PyObject *raw, const OpenMode *how, int buffering,
           const char *encoding, const char *errors, const char *newline, PyObject **top)
{
    bool line_buffering = false;
    if (buffering < 0) {
        NJ_OWN tty = PyObject_CallMethodNoArgs(raw, NJ_ID(_isatty_open_only));
        if (!tty) {
            return NULL;
        }
        if (tty == Py_True) {
            line_buffering = true;
        }
    }
    if (buffering == 1 && !how->binary) {
        buffering = -1;
        line_buffering = true;
    } else if (buffering == 1) {
        buffering = -1;
    }
    if (buffering < 0) {
        NJ_OWN blk = PyObject_GetAttr(raw, NJ_ID(_blksize));
        if (!blk) {
            return NULL;
        }
        long size = PyLong_AsLong(blk);
        if (size == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (size < NJ_IO_BUFFER_SIZE) {
            size = NJ_IO_BUFFER_SIZE;
        }
        if (size > 8192 * 1024) {
            size = 8192 * 1024;
        }
        buffering = (int)size;
    }
    if (buffering == 0) {
        if (!how->binary) {
            PyErr_SetString(PyExc_ValueError, "can't have unbuffered text I/O");
            return NULL;
        }
        return Py_NewRef(raw);
    }
    PyTypeObject *kind;
    if (how->updating) {
        kind = st->random;
    } else if (how->writing) {
        kind = st->writer;
    } else if (how->reading) {
        kind = st->reader;
    } else {
        PyErr_Format(PyExc_ValueError, "unknown mode: '%s'", how->text);
        return NULL;
    }
    NJ_OWN buffer = PyObject_CallFunction((PyObject *)kind, "Oi", raw, buffering);
    if (!buffer) {
        return NULL;
    }
    Py_XSETREF(*top, Py_NewRef(buffer));
    if (how->binary) {
        return NJ_TAKE(buffer);
    }
    NJ_OWN wrapper = PyObject_CallFunction((PyObject *)st->textio, "OsssO", buffer,
                                    encoding, errors, newline,
                                    line_buffering ? Py_True : Py_False);
    if (!wrapper) {
        return NULL;
    }
    Py_XSETREF(*top, Py_NewRef(wrapper));
    NJ_OWN modeobj = PyUnicode_FromString(how->text);
    if (!modeobj || PyObject_SetAttr(wrapper, NJ_ID(mode), modeobj) < 0) {
        return NULL;
    }
    return NJ_TAKE(wrapper);
}

static PyObject *
io_open_impl(PyObject *module, PyObject *file, const char *mode, int buffering,
             const char *encoding, const char *errors, const char *newline, int closefd,
             PyObject *opener)
{
    NjIoState *st = nj_io_state(module);
    bool creating = false, reading = false, writing = false, appending = false;
    bool updating = false, text = false, binary = false;
    NJ_OWN path = NULL;
    if (PyLong_Check(file)) {
        path = Py_NewRef(file);
    } else {
        path = PyOS_FSPath(file);
        if (!path) {
            return NULL;
        }
    }
    for (size_t i = 0; i < strlen(mode); i++) {
        char c = mode[i];
        bool *flag = c == 'x'   ? &creating
                     : c == 'r' ? &reading
                     : c == 'w' ? &writing
                     : c == 'a' ? &appending
                     : c == '+' ? &updating
                     : c == 't' ? &text
                     : c == 'b' ? &binary
                                : NULL;
        if (!flag || *flag) {
            PyErr_Format(PyExc_ValueError, "invalid mode: '%s'", mode);
            return NULL;
        }
        *flag = true;
    }
    char rawmode[6], *m = rawmode;
    if (creating) {
        *m++ = 'x';
    }
    if (reading) {
        *m++ = 'r';
    }
    if (writing) {
        *m++ = 'w';
    }
    if (appending) {
        *m++ = 'a';
    }
    if (updating && m - rawmode < 4) {
        *m++ = '+';
    }
    *m = '\0';
    if (text && binary) {
        PyErr_SetString(PyExc_ValueError, "can't have text and binary mode at once");
        return NULL;
    }
    if (creating + reading + writing + appending > 1) {
        PyErr_SetString(PyExc_ValueError,
                        "must have exactly one of create/read/write/append mode");
        return NULL;
    }
    if (binary && (encoding || errors || newline)) {
        PyErr_Format(PyExc_ValueError, "binary mode doesn't take %s argument",
                     encoding ? "an encoding" : errors ? "an errors" : "a newline");
        return NULL;
    }
    if (binary && buffering == 1 &&
        PyErr_WarnEx(PyExc_RuntimeWarning,
                     "line buffering (buffering=1) isn't supported in binary mode, the "
                     "default buffer size will be used",
                     1) < 0) {
        return NULL;
    }
    NJ_OWN raw = PyObject_CallFunction((PyObject *)st->fileio, "OsOO", path, rawmode,
                                       closefd ? Py_True : Py_False, opener);
    if (!raw) {
        return NULL;
    }
    OpenMode how = {mode, reading, creating || writing || appending, updating, binary};
    NJ_OWN top = Py_NewRef(raw);
    PyObject *stream =
        add_layers(st, raw, &how, buffering, encoding, errors, newline, &top);
    if (!stream) {
        PyObject *exc = PyErr_GetRaisedException();
        NJ_OWN r = PyObject_CallMethodNoArgs(top, NJ_ID(close));
        if (!r) {
            PyErr_Clear();
        }
        PyErr_SetRaisedException(exc);
    }
    return stream;
}

/* A str or None argument as UTF-8; *out NULL for None. */
static int
optional_text(const char *fname, const char *name, PyObject *arg, const char **out)
{
    if (!arg || arg == Py_None) {
        *out = NULL;
        return 0;
    }
    if (!PyUnicode_Check(arg)) {
        char display[40];
        snprintf(display, sizeof(display), "argument '%s'", name);
        _PyArg_BadArgument(fname, display, "str or None", arg);
        return -1;
    }
    Py_ssize_t n;
    *out = PyUnicode_AsUTF8AndSize(arg, &n);
    if (!*out) {
        return -1;
    }
    if (strlen(*out) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return -1;
    }
    return 0;
}

static PyObject *
io_open(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"file",   "mode",    "buffering", "encoding",
                                        "errors", "newline", "closefd",   "opener", NULL};
    static const NjParams params = {"open", names, 8, 1, 0};
    PyObject *a[8];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    const char *mode = "r", *encoding, *errors, *newline;
    if (a[1]) {
        if (!PyUnicode_Check(a[1])) {
            _PyArg_BadArgument("open", "argument 'mode'", "str", a[1]);
            return NULL;
        }
        if (optional_text("open", "mode", a[1], &mode) < 0) {
            return NULL;
        }
    }
    int buffering = -1;
    if (a[2]) {
        buffering = PyLong_AsInt(a[2]);
        if (buffering == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (optional_text("open", "encoding", a[3], &encoding) < 0 ||
        optional_text("open", "errors", a[4], &errors) < 0 ||
        optional_text("open", "newline", a[5], &newline) < 0) {
        return NULL;
    }
    int closefd = a[6] ? PyObject_IsTrue(a[6]) : 1;
    if (closefd < 0) {
        return NULL;
    }
    return io_open_impl(module, a[0], mode, buffering, encoding, errors, newline, closefd,
                        a[7] ? a[7] : Py_None);
}

static PyObject *
io_open_code(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"path", NULL};
    static const NjParams params = {"open_code", names, 1, 1, 0};
    PyObject *path;
    if (nj_args_bind(&params, args, nargs, kwnames, &path) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(path)) {
        _PyArg_BadArgument("open_code", "argument 'path'", "str", path);
        return NULL;
    }
    return PyFile_OpenCodeObject(path);
}

static PyObject *
io_text_encoding(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("text_encoding", nargs, 1, 2)) {
        return NULL;
    }
    if (args[0] != Py_None) {
        return Py_NewRef(args[0]);
    }
    int level = 2;
    if (nargs > 1) {
        level = PyLong_AsInt(args[1]);
        if (level == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    PyObject *flags = PySys_GetObject("flags");
    NJ_OWN warn = flags ? PyObject_GetAttrString(flags, "warn_default_encoding") : NULL;
    if (!warn) {
        PyErr_Clear();
    } else if (PyObject_IsTrue(warn) == 1 &&
               PyErr_WarnEx(PyExc_EncodingWarning, "'encoding' argument not specified",
                            level) < 0) {
        return NULL;
    }
    NJ_OWN utf8 = flags ? PyObject_GetAttrString(flags, "utf8_mode") : NULL;
    if (!utf8) {
        PyErr_Clear();
    }
    return utf8 && PyObject_IsTrue(utf8) == 1 ? PyUnicode_InternFromString("utf-8")
                                              : Py_NewRef(NJ_ID(locale));
}

static PyMethodDef io_methods[] = {
    {"open", (PyCFunction)(void (*)(void))io_open, METH_FASTCALL | METH_KEYWORDS,
     "open($module, /, file, mode='r', buffering=-1, encoding=None,\n     errors=None, "
     "newline=None, closefd=True, opener=None)\n--\n\nOpen a file and return a stream.\n\n"
     "file is a path or a descriptor. mode is one of r (read), w (write, emptied first), x "
     "(create),\na (append), with + to update, and t for text (the default) or b for bytes."},
    {"text_encoding", (PyCFunction)(void (*)(void))io_text_encoding, METH_FASTCALL,
     "text_encoding($module, encoding, stacklevel=2, /)\n--\n\nThe encoding to use where "
     "the caller gave encoding."},
    {"open_code", (PyCFunction)(void (*)(void))io_open_code, METH_FASTCALL | METH_KEYWORDS,
     "open_code($module, /, path)\n--\n\nOpen a file that holds code, for reading bytes."},
    {0},
};

static int
add_type(PyObject *module, PyTypeObject **slot, PyType_Spec *spec, PyTypeObject *base)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, (PyObject *)base);
    return *slot ? 0 : -1;
}

static int
io_exec(PyObject *module)
{
    NjIoState *st = nj_io_state(module);
    if (PyModule_AddIntConstant(module, "DEFAULT_BUFFER_SIZE", NJ_IO_BUFFER_SIZE) < 0 ||
        PyModule_AddObjectRef(module, "BlockingIOError", PyExc_BlockingIOError) < 0) {
        return -1;
    }
    st->unsupported = PyObject_CallFunction((PyObject *)&PyType_Type, "s(OO){s:s}",
                                            "UnsupportedOperation", PyExc_OSError,
                                            PyExc_ValueError, "__module__", "io");
    if (!st->unsupported ||
        PyModule_AddObjectRef(module, "UnsupportedOperation", st->unsupported) < 0) {
        return -1;
    }
#define ADD(field, spec, base)                                                         \
    if (add_type(module, &st->field, &spec, base) < 0) {                               \
        return -1;                                                                     \
    }
    ADD(iobase, nj_iobase_spec, NULL)
    ADD(rawiobase, nj_rawiobase_spec, st->iobase)
    ADD(bufferediobase, nj_bufferediobase_spec, st->iobase)
    ADD(textiobase, nj_textiobase_spec, st->iobase)
    ADD(bytesiobuf, nj_bytesiobuf_spec, NULL)
    ADD(nldecoder, nj_nldecoder_spec, NULL)
    ADD(fileio, nj_fileio_spec, st->rawiobase)
    ADD(bytesio, nj_bytesio_spec, st->bufferediobase)
    ADD(reader, nj_reader_spec, st->bufferediobase)
    ADD(writer, nj_writer_spec, st->bufferediobase)
    ADD(random, nj_random_spec, st->bufferediobase)
    ADD(rwpair, nj_rwpair_spec, st->bufferediobase)
    ADD(stringio, nj_stringio_spec, st->textiobase)
    ADD(textio, nj_textio_spec, st->textiobase)
#undef ADD
    PyTypeObject *const types[] = {
        st->iobase, st->rawiobase, st->bufferediobase, st->textiobase, st->bytesiobuf,
        st->nldecoder, st->fileio, st->bytesio, st->reader, st->writer, st->random,
        st->rwpair, st->stringio, st->textio};
    for (size_t i = 0; i < NJ_ARRAY_LEN(types); i++) {
        if (PyModule_AddType(module, types[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

#define EACH_STATE(X)                                                                  \
    X(iobase)                                                                          \
    X(rawiobase) X(bufferediobase) X(textiobase) X(fileio) X(bytesio) X(bytesiobuf)    \
    X(stringio) X(reader) X(writer) X(random) X(rwpair) X(textio) X(nldecoder)         \
    X(unsupported)

static int
io_traverse(PyObject *module, visitproc visit, void *arg)
{
    NjIoState *st = nj_io_state(module);
#define X(f) Py_VISIT(st->f);
    EACH_STATE(X)
#undef X
    return 0;
}

static int
io_clear(PyObject *module)
{
    NjIoState *st = nj_io_state(module);
#define X(f) Py_CLEAR(st->f);
    EACH_STATE(X)
#undef X
    return 0;
}

static void
io_free(void *module)
{
    io_clear((PyObject *)module);
}

static PyModuleDef_Slot io_slots[] = {
    {Py_mod_exec, io_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

struct PyModuleDef nj_io_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_io",
    .m_doc = "The streams behind the io module.",
    .m_size = sizeof(NjIoState),
    .m_methods = io_methods,
    .m_slots = io_slots,
    .m_traverse = io_traverse,
    .m_clear = io_clear,
    .m_free = io_free,
};

PyMODINIT_FUNC PyInit__io(void);

PyMODINIT_FUNC
PyInit__io(void)
{
    return PyModuleDef_Init(&nj_io_module);
}

/* _codecs.c - the functions behind the codecs module and the encodings package.
 *
 * Every codec here is stateless: xxx_encode(str, errors) -> (bytes, characters consumed),
 * xxx_decode(data, errors, final) -> (str, bytes consumed). The tables at the foot bind
 * names to one implementation each.
 * SPDX-License-Identifier: MIT
 */
#include "runtime/codecs.h"

#include "capi/args.h"
#include "objects/bytes_int.h"
#include "objects/str_codec.h"

/* ---- arguments ------------------------------------------------------------------------------ */

static int
get_errors(const char *fname, PyObject *const *args, Py_ssize_t nargs, const char **errors)
{
    *errors = NULL;
    if (nargs < 2 || args[1] == Py_None) {
        return 0;
    }
    if (!PyUnicode_Check(args[1])) {
        _PyArg_BadArgument(fname, "argument 2", "str or None", args[1]);
        return -1;
    }
    Py_ssize_t n;
    *errors = PyUnicode_AsUTF8AndSize(args[1], &n);
    if (*errors == NULL) {
        return -1;
    }
    if (strlen(*errors) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return -1;
    }
    return 0;
}

static const char *
plain_text(PyObject *o, const char *fname, const char *what)
{
    if (!PyUnicode_Check(o)) {
        _PyArg_BadArgument(fname, what, "str", o);
        return NULL;
    }
    Py_ssize_t n;
    const char *p = PyUnicode_AsUTF8AndSize(o, &n);
    if (p != NULL && strlen(p) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    return p;
}

static PyObject *
pair(PyObject *NJ_STEALS result, Py_ssize_t n)
{
    return result == NULL ? NULL : Py_BuildValue("(Nn)", result, n);
}

/* ---- registry ---------------------------------------------------------------------------------- */

static PyObject *
codecs_register(PyObject *module, PyObject *func)
{
    if (PyCodec_Register(func) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
codecs_unregister(PyObject *module, PyObject *func)
{
    if (PyCodec_Unregister(func) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
codecs_lookup(PyObject *module, PyObject *arg)
{
    const char *name = plain_text(arg, "lookup", "argument");
    return name == NULL ? NULL : nj_codec_lookup(name);
}

static const char *const code_names[] = {"obj", "encoding", "errors", NULL};
static const NjParams encode_params = {"encode", code_names, 3, 1, 0};
static const NjParams decode_params = {"decode", code_names, 3, 1, 0};

static PyObject *
code(const NjParams *params, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
     PyObject *(*run)(PyObject *, const char *, const char *))
{
    PyObject *a[3];
    if (nj_args_bind(params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    const char *encoding = "utf-8", *errors = NULL;
    if (a[1] != NULL) {
        encoding = plain_text(a[1], params->fname, "argument 'encoding'");
        if (encoding == NULL) {
            return NULL;
        }
    }
    if (a[2] != NULL) {
        errors = plain_text(a[2], params->fname, "argument 'errors'");
        if (errors == NULL) {
            return NULL;
        }
    }
    return run(a[0], encoding, errors);
}

static PyObject *
codecs_encode(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return code(&encode_params, args, nargs, kwnames, PyCodec_Encode);
}

static PyObject *
codecs_decode(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return code(&decode_params, args, nargs, kwnames, PyCodec_Decode);
}

static PyObject *
codecs_register_error(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("register_error", nargs, 2, 2)) {
        return NULL;
    }
    const char *name = plain_text(args[0], "register_error", "argument 1");
    if (name == NULL || PyCodec_RegisterError(name, args[1]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
codecs_unregister_error(PyObject *module, PyObject *arg)
{
    const char *name = plain_text(arg, "_unregister_error", "argument");
    if (name == NULL) {
        return NULL;
    }
    int r = nj_codec_unregister_error(name);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *
codecs_lookup_error(PyObject *module, PyObject *arg)
{
    const char *name = plain_text(arg, "lookup_error", "argument");
    return name == NULL ? NULL : PyCodec_LookupError(name);
}

/* ---- encoders ---------------------------------------------------------------------------------------- */

typedef PyObject *(*Encoder)(PyObject *s, const char *errors);

static PyObject *
run_encoder(const char *fname, PyObject *const *args, Py_ssize_t nargs, Encoder f)
{
    const char *errors;
    if (!_PyArg_CheckPositional(fname, nargs, 1, 2)) {
        return NULL;
    }
    if (!PyUnicode_Check(args[0])) {
        _PyArg_BadArgument(fname, "argument 1", "str", args[0]);
        return NULL;
    }
    if (get_errors(fname, args, nargs, &errors) < 0) {
        return NULL;
    }
    return pair(f(args[0], errors), PyUnicode_GET_LENGTH(args[0]));
}

#define ENCODER(name, call)                                                            \
    static PyObject *encode_##name##_(PyObject *s, const char *errors)                 \
    {                                                                                  \
        return call;                                                                   \
    }                                                                                  \
    static PyObject *name##_encode(PyObject *m, PyObject *const *args, Py_ssize_t nargs)  \
    {                                                                                  \
        return run_encoder(#name "_encode", args, nargs, encode_##name##_);            \
    }
ENCODER(utf_8, nj_encode_utf8(s, errors))
ENCODER(utf_7, nj_encode_utf7(s, errors))
ENCODER(utf_16_le, nj_encode_utf16(s, errors, -1))
ENCODER(utf_16_be, nj_encode_utf16(s, errors, 1))
ENCODER(utf_32_le, nj_encode_utf32(s, errors, -1))
ENCODER(utf_32_be, nj_encode_utf32(s, errors, 1))
ENCODER(unicode_escape, PyUnicode_AsUnicodeEscapeString(s))
ENCODER(raw_unicode_escape, PyUnicode_AsRawUnicodeEscapeString(s))
ENCODER(latin_1, nj_encode_latin1(s, errors))
ENCODER(ascii, nj_encode_ascii(s, errors))

static PyObject *
encode_with_order(const char *fname, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *(*f)(PyObject *, const char *, int))
{
    const char *errors;
    if (!_PyArg_CheckPositional(fname, nargs, 1, 3)) {
        return NULL;
    }
    if (!PyUnicode_Check(args[0])) {
        _PyArg_BadArgument(fname, "argument 1", "str", args[0]);
        return NULL;
    }
    if (get_errors(fname, args, nargs, &errors) < 0) {
        return NULL;
    }
    int order = 0;
    if (nargs > 2) {
        order = PyLong_AsInt(args[2]);
        if (order == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    return pair(f(args[0], errors, order), PyUnicode_GET_LENGTH(args[0]));
}

static PyObject *
utf_16_encode(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    return encode_with_order("utf_16_encode", args, nargs, nj_encode_utf16);
}

static PyObject *
utf_32_encode(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    return encode_with_order("utf_32_encode", args, nargs, nj_encode_utf32);
}

static PyObject *
charmap_encode(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    const char *errors;
    if (!_PyArg_CheckPositional("charmap_encode", nargs, 1, 3)) {
        return NULL;
    }
    if (!PyUnicode_Check(args[0])) {
        _PyArg_BadArgument("charmap_encode", "argument 1", "str", args[0]);
        return NULL;
    }
    if (get_errors("charmap_encode", args, nargs, &errors) < 0) {
        return NULL;
    }
    PyObject *mapping = nargs > 2 && args[2] != Py_None ? args[2] : NULL;
    return pair(nj_encode_charmap(args[0], mapping, errors), PyUnicode_GET_LENGTH(args[0]));
}

static PyObject *
charmap_build(PyObject *m, PyObject *map)
{
    if (!PyUnicode_Check(map)) {
        _PyArg_BadArgument("charmap_build", "argument", "str", map);
        return NULL;
    }
    return PyUnicode_BuildEncodingMap(map);
}

static PyObject *
readbuffer_encode(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    const char *errors;
    if (!_PyArg_CheckPositional("readbuffer_encode", nargs, 1, 2)) {
        return NULL;
    }
    if (PyUnicode_Check(args[0])) {
        Py_ssize_t n;
        const char *p = PyUnicode_AsUTF8AndSize(args[0], &n);
        if (p == NULL || get_errors("readbuffer_encode", args, nargs, &errors) < 0) {
            return NULL;
        }
        return pair(PyBytes_FromStringAndSize(p, n), n);
    }
    NJ_OWN_BUF view = {0};
    if (nj_get_bytes_like(args[0], &view) < 0 ||
        get_errors("readbuffer_encode", args, nargs, &errors) < 0) {
        return NULL;
    }
    return pair(PyBytes_FromStringAndSize(view.buf, view.len), view.len);
}

static PyObject *
escape_encode(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    const char *errors;
    if (!_PyArg_CheckPositional("escape_encode", nargs, 1, 2)) {
        return NULL;
    }
    if (!PyBytes_Check(args[0])) {
        _PyArg_BadArgument("escape_encode", "argument 1", "bytes", args[0]);
        return NULL;
    }
    if (get_errors("escape_encode", args, nargs, &errors) < 0) {
        return NULL;
    }
    const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(args[0]);
    Py_ssize_t n = PyBytes_GET_SIZE(args[0]);
    if (n > PY_SSIZE_T_MAX / 4) {
        PyErr_SetString(PyExc_OverflowError, "string is too large to encode");
        return NULL;
    }
    NJ_OWN_MEM(char) buf = PyMem_Malloc((size_t)n * 4 + 1);
    if (buf == NULL) {
        return PyErr_NoMemory();
    }
    char *o = buf;
    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned char c = p[i];
        if (c == '\'' || c == '\\') {
            *o++ = '\\';
            *o++ = (char)c;
        } else if (c == '\t' || c == '\n' || c == '\r') {
            *o++ = '\\';
            *o++ = c == '\t' ? 't' : c == '\n' ? 'n' : 'r';
        } else if (c < ' ' || c >= 0x7f) {
            *o++ = '\\';
            *o++ = 'x';
            *o++ = Py_hexdigits[c >> 4];
            *o++ = Py_hexdigits[c & 15];
        } else {
            *o++ = (char)c;
        }
    }
    return pair(PyBytes_FromStringAndSize(buf, o - buf), n);
}

/* ---- decoders ------------------------------------------------------------------------------------------- */

/* consumed is NULL when all of the data must be decoded. */
typedef PyObject *(*Decoder)(const char *p, Py_ssize_t n, const char *errors,
                             Py_ssize_t *consumed);

enum { NO_FINAL, FINAL_FALSE, FINAL_TRUE };

static PyObject *
run_decoder(const char *fname, PyObject *const *args, Py_ssize_t nargs, int final,
            bool takes_str, Decoder f)
{
    const char *errors;
    if (!_PyArg_CheckPositional(fname, nargs, 1, final == NO_FINAL ? 2 : 3)) {
        return NULL;
    }
    NJ_OWN_BUF view = {0};
    if (takes_str && PyUnicode_Check(args[0])) {
        Py_ssize_t n;
        const char *p = PyUnicode_AsUTF8AndSize(args[0], &n);
        if (p == NULL || PyBuffer_FillInfo(&view, args[0], (void *)p, n, 1, 0) < 0) {
            return NULL;
        }
    } else if (nj_get_bytes_like(args[0], &view) < 0) {
        return NULL;
    }
    if (get_errors(fname, args, nargs, &errors) < 0) {
        return NULL;
    }
    int all = final != FINAL_FALSE;
    if (nargs > 2) {
        all = PyObject_IsTrue(args[2]);
        if (all < 0) {
            return NULL;
        }
    }
    Py_ssize_t consumed = view.len;
    PyObject *s = f(view.buf, view.len, errors, all ? NULL : &consumed);
    return pair(s, consumed);
}

#define DECODER(name, final, str, call)                                                \
    static PyObject *decode_##name##_(const char *p, Py_ssize_t n, const char *errors, \
                                      Py_ssize_t *consumed)                            \
    {                                                                                  \
        return call;                                                                   \
    }                                                                                  \
    static PyObject *name##_decode(PyObject *m, PyObject *const *args, Py_ssize_t nargs)  \
    {                                                                                  \
        return run_decoder(#name "_decode", args, nargs, final, str, decode_##name##_);  \
    }

static PyObject *
utf16(const char *p, Py_ssize_t n, const char *errors, int order, Py_ssize_t *consumed)
{
    return PyUnicode_DecodeUTF16Stateful(p, n, errors, &order, consumed);
}

static PyObject *
utf32(const char *p, Py_ssize_t n, const char *errors, int order, Py_ssize_t *consumed)
{
    return PyUnicode_DecodeUTF32Stateful(p, n, errors, &order, consumed);
}

DECODER(utf_8, FINAL_FALSE, false, PyUnicode_DecodeUTF8Stateful(p, n, errors, consumed))
DECODER(utf_7, FINAL_FALSE, false, PyUnicode_DecodeUTF7Stateful(p, n, errors, consumed))
DECODER(utf_16, FINAL_FALSE, false, utf16(p, n, errors, 0, consumed))
DECODER(utf_16_le, FINAL_FALSE, false, utf16(p, n, errors, -1, consumed))
DECODER(utf_16_be, FINAL_FALSE, false, utf16(p, n, errors, 1, consumed))
DECODER(utf_32, FINAL_FALSE, false, utf32(p, n, errors, 0, consumed))
DECODER(utf_32_le, FINAL_FALSE, false, utf32(p, n, errors, -1, consumed))
DECODER(utf_32_be, FINAL_FALSE, false, utf32(p, n, errors, 1, consumed))
DECODER(unicode_escape, FINAL_TRUE, true, nj_decode_unicode_escape(p, n, errors, consumed))
DECODER(raw_unicode_escape, FINAL_TRUE, true,
        nj_decode_raw_unicode_escape(p, n, errors, consumed))
DECODER(latin_1, NO_FINAL, false, PyUnicode_DecodeLatin1(p, n, errors))
DECODER(ascii, NO_FINAL, false, PyUnicode_DecodeASCII(p, n, errors))
DECODER(escape, NO_FINAL, true, PyBytes_DecodeEscape(p, n, errors, 0, NULL))

static PyObject *
charmap_decode(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    const char *errors;
    if (!_PyArg_CheckPositional("charmap_decode", nargs, 1, 3)) {
        return NULL;
    }
    NJ_OWN_BUF view = {0};
    if (nj_get_bytes_like(args[0], &view) < 0 ||
        get_errors("charmap_decode", args, nargs, &errors) < 0) {
        return NULL;
    }
    PyObject *mapping = nargs > 2 && args[2] != Py_None ? args[2] : NULL;
    return pair(PyUnicode_DecodeCharmap(view.buf, view.len, mapping, errors), view.len);
}

/* utf_16_ex_decode and utf_32_ex_decode also report the byte order that was found. */
static PyObject *
ex_decode(const char *fname, PyObject *const *args, Py_ssize_t nargs,
          PyObject *(*f)(const char *, Py_ssize_t, const char *, int *, Py_ssize_t *))
{
    const char *errors;
    if (!_PyArg_CheckPositional(fname, nargs, 1, 4)) {
        return NULL;
    }
    NJ_OWN_BUF view = {0};
    if (nj_get_bytes_like(args[0], &view) < 0 || get_errors(fname, args, nargs, &errors) < 0) {
        return NULL;
    }
    int order = 0, final = 0;
    if (nargs > 2) {
        order = PyLong_AsInt(args[2]);
        if (order == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (nargs > 3) {
        final = PyObject_IsTrue(args[3]);
        if (final < 0) {
            return NULL;
        }
    }
    Py_ssize_t consumed = view.len;
    PyObject *s = f(view.buf, view.len, errors, &order, final ? NULL : &consumed);
    return s == NULL ? NULL : Py_BuildValue("(Nni)", s, consumed, order);
}

static PyObject *
utf_16_ex_decode(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    return ex_decode("utf_16_ex_decode", args, nargs, PyUnicode_DecodeUTF16Stateful);
}

static PyObject *
utf_32_ex_decode(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    return ex_decode("utf_32_ex_decode", args, nargs, PyUnicode_DecodeUTF32Stateful);
}

/* ---- the module ------------------------------------------------------------------------------------------- */

#define E(name)                                                                        \
    {#name "_encode", FAST(name##_encode),                                             \
     #name "_encode($module, str, errors=None, /)\n--\n\nEncode with " #name "."}
#define EO(name)                                                                       \
    {#name "_encode", FAST(name##_encode),                                             \
     #name "_encode($module, str, errors=None, byteorder=0, /)\n--\n\nEncode with " #name "."}
#define D(name, more)                                                                  \
    {#name "_decode", FAST(name##_decode),                                             \
     #name "_decode($module, data, errors=None" more ", /)\n--\n\nDecode with " #name "."}

static PyMethodDef codecs_methods[] = {
    {"register", codecs_register, METH_O,
     SIG("register($module, search_function, /)", "Add a function that finds codecs.")},
    {"unregister", codecs_unregister, METH_O,
     SIG("unregister($module, search_function, /)", "Remove a search function.")},
    {"lookup", codecs_lookup, METH_O,
     SIG("lookup($module, encoding, /)", "The CodecInfo of an encoding.")},
    {"encode", FAST_KW(codecs_encode),
     SIG("encode($module, /, obj, encoding='utf-8', errors='strict')",
         "Encode obj with the codec registered for encoding.")},
    {"decode", FAST_KW(codecs_decode),
     SIG("decode($module, /, obj, encoding='utf-8', errors='strict')",
         "Decode obj with the codec registered for encoding.")},
    {"escape_encode", FAST(escape_encode),
     SIG("escape_encode($module, data, errors=None, /)", "Backslash escapes for bytes.")},
    D(escape, ""),
    E(utf_8),
    D(utf_8, ", final=False"),
    E(utf_7),
    D(utf_7, ", final=False"),
    EO(utf_16),
    E(utf_16_le),
    E(utf_16_be),
    D(utf_16, ", final=False"),
    D(utf_16_le, ", final=False"),
    D(utf_16_be, ", final=False"),
    {"utf_16_ex_decode", FAST(utf_16_ex_decode),
     "utf_16_ex_decode($module, data, errors=None, byteorder=0, final=False,\n"
     "                 /)\n--\n\nDecode UTF-16 and report the byte order."},
    EO(utf_32),
    E(utf_32_le),
    E(utf_32_be),
    D(utf_32, ", final=False"),
    D(utf_32_le, ", final=False"),
    D(utf_32_be, ", final=False"),
    {"utf_32_ex_decode", FAST(utf_32_ex_decode),
     "utf_32_ex_decode($module, data, errors=None, byteorder=0, final=False,\n"
     "                 /)\n--\n\nDecode UTF-32 and report the byte order."},
    E(unicode_escape),
    D(unicode_escape, ", final=True"),
    E(raw_unicode_escape),
    D(raw_unicode_escape, ", final=True"),
    E(latin_1),
    D(latin_1, ""),
    E(ascii),
    D(ascii, ""),
    {"charmap_encode", FAST(charmap_encode),
     SIG("charmap_encode($module, str, errors=None, mapping=None, /)",
         "Encode through a mapping.")},
    {"charmap_decode", FAST(charmap_decode),
     SIG("charmap_decode($module, data, errors=None, mapping=None, /)",
         "Decode through a mapping.")},
    {"charmap_build", charmap_build, METH_O,
     SIG("charmap_build($module, map, /)", "Encoding map of a decoding table.")},
    {"readbuffer_encode", FAST(readbuffer_encode),
     SIG("readbuffer_encode($module, data, errors=None, /)", "The bytes of a buffer.")},
    {"register_error", FAST(codecs_register_error),
     SIG("register_error($module, errors, handler, /)", "Name an error handler.")},
    {"_unregister_error", codecs_unregister_error, METH_O,
     SIG("_unregister_error($module, errors, /)", "Forget an error handler.")},
    {"lookup_error", codecs_lookup_error, METH_O,
     SIG("lookup_error($module, name, /)", "The error handler of that name.")},
    {NULL},
};

static PyModuleDef_Slot codecs_slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef codecs_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_codecs",
    .m_methods = codecs_methods,
    .m_slots = codecs_slots,
};

PyMODINIT_FUNC PyInit__codecs(void);
PyMODINIT_FUNC
PyInit__codecs(void)
{
    return PyModuleDef_Init(&codecs_module);
}

/* encoding.c - the encodings of the system: file names, arguments, standard streams.
 *
 * Until the codecs package is imported, file names go through the C locale; then through
 * the codec that the configuration names (PEP 540: UTF-8 mode, else the locale's).
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/codecs.h"
#include "runtime/runtime.h"

#include <wchar.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define ERR_IN(where, msg)                                                             \
    ((PyStatus){._type = _PyStatus_TYPE_ERROR, .func = (where), .err_msg = (msg)})

/* *name, an alias, becomes the codec's own name. */
static int
settle_name(wchar_t **name)
{
    if (wcscmp(*name, L"utf-8") == 0) {
        return 0;
    }
    NJ_OWN alias = PyUnicode_FromWideChar(*name, -1);
    const char *s = alias ? PyUnicode_AsUTF8(alias) : NULL;
    NJ_OWN codec = s ? nj_codec_lookup(s) : NULL;
    NJ_OWN own = codec ? PyObject_GetAttr(codec, NJ_ID(name)) : NULL;
    if (!own) {
        return -1;
    }
    NJ_OWN_MEM(wchar_t) w = PyUnicode_AsWideCharString(own, NULL);
    size_t size = w ? (wcslen(w) + 1) * sizeof(wchar_t) : 0;
    wchar_t *copy = w ? PyMem_RawMalloc(size) : NULL;
    if (!copy) {
        return w ? (PyErr_NoMemory(), -1) : -1;
    }
    memcpy(copy, w, size);
    PyMem_RawFree(*name);
    *name = copy;
    return 0;
}

static char *
ascii_copy(const wchar_t *w)
{
    size_t n = wcslen(w);
    char *s = PyMem_RawMalloc(n + 1);
    for (size_t i = 0; s && i <= n; i++) {
        s[i] = (char)w[i];
    }
    return s;
}

/* Before any codec exists: UTF-8 needs none. */
int
nj_encoding_preset(const PyConfig *c)
{
    if (!c->filesystem_encoding || !c->filesystem_errors) {
        return 0;
    }
    char *errors = ascii_copy(c->filesystem_errors);
    char *name = errors ? ascii_copy(c->filesystem_encoding) : NULL;
    if (!name) {
        PyMem_RawFree(errors);
        return -1;
    }
    PyMem_RawFree(nj_runtime.fs.errors);
    PyMem_RawFree(nj_runtime.fs.name);
    nj_runtime.fs.errors = errors;
    nj_runtime.fs.name = name;
    nj_runtime.fs.kind = strcmp(name, "utf-8") == 0   ? NJ_FS_UTF8
                         : strcmp(name, "ascii") == 0 ? NJ_FS_ASCII
                                                      : NJ_FS_LOCALE;
    Py_FileSystemDefaultEncoding = name;
    Py_FileSystemDefaultEncodeErrors = errors;
    return 0;
}

PyStatus
nj_encoding_init(NjInterp *interp)
{
    PyConfig *c = &interp->rt.config;
    if (settle_name(&c->filesystem_encoding) < 0) {
        return ERR_IN("init_fs_encoding",
                            "failed to get the Python codec of the filesystem encoding");
    }
    if (settle_name(&c->stdio_encoding) < 0) {
        return ERR_IN("init_stdio_encoding",
                            "failed to get the Python codec name of the stdio encoding");
    }
    if (nj_is_main_interp(interp)) {
        if (nj_encoding_preset(c) < 0) {
            return PyStatus_NoMemory();
        }
        if (nj_runtime.fs.kind == NJ_FS_LOCALE) {
            nj_runtime.fs.kind = NJ_FS_CODEC;
        }
    }
    return PyStatus_Ok();
}

/* frozen.c - modules whose code comes with the executable.
 *
 * tools/freeze.py writes the table while building: the first stage of the build compiles
 * the library's modules, the second links them in. A module without data (the first
 * stage itself) is compiled from the library's source. PyImport_FrozenModules, which
 * embedders may set, adds to the table.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "frontend/compile.h"
#include "runtime/frozen.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <marshal.h>
#include <sys/stat.h>
#include <unistd.h>

const struct _frozen *PyImport_FrozenModules = NULL;

static bool
optional_on(void)
{
    NjInterp *interp = nj_interp();
    int o = interp->rt.frozen_override;
    return o > 0 || (o == 0 && interp->rt.config.use_frozen_modules);
}

int
nj_frozen_find(PyObject *name, NjFrozen *out)
{
    if (!name || !PyUnicode_Check(name)) {
        return 0;
    }
    bool all = optional_on();
    for (const NjFrozen *f = nj_frozen_table; f->name; f++) {
        if ((all || !f->optional) && PyUnicode_EqualToUTF8(name, f->name)) {
            *out = *f;
            return 1;
        }
    }
    for (const struct _frozen *p = PyImport_FrozenModules; p && p->name; p++) {
        if (PyUnicode_EqualToUTF8(name, p->name)) {
            *out = (NjFrozen){p->name, p->name, p->is_package != 0, true, p->code, p->size};
            return 1;
        }
    }
    return 0;
}

static int
add_name(PyObject *list, const char *name)
{
    NJ_OWN s = PyUnicode_FromString(name);
    return s ? PyList_Append(list, s) : -1;
}

PyObject *
nj_frozen_names(void)
{
    bool all = optional_on();
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    for (const NjFrozen *f = nj_frozen_table; f->name; f++) {
        if ((all || !f->optional) && add_name(list, f->name) < 0) {
            return NULL;
        }
    }
    for (const struct _frozen *p = PyImport_FrozenModules; p && p->name; p++) {
        if (add_name(list, p->name) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static char *
read_file(const char *path, Py_ssize_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        if (fd >= 0) {
            close(fd);
        }
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
        return NULL;
    }
    char *buf = PyMem_Malloc((size_t)st.st_size + 1);
    Py_ssize_t n = 0;
    while (buf && n < st.st_size) {
        ssize_t r = read(fd, buf + n, (size_t)(st.st_size - n));
        if (r <= 0) {
            break;
        }
        n += r;
    }
    close(fd);
    if (!buf) {
        PyErr_NoMemory();
        return NULL;
    }
    buf[n] = 0;
    *size = n;
    return buf;
}

static PyObject *
compile_library(const char *origname)
{
    const wchar_t *dir = nj_config()->stdlib_dir;
    char *base = dir ? Py_EncodeLocale(dir, NULL) : NULL;
    if (!base) {
        PyErr_SetString(PyExc_ImportError, "no standard library directory");
        return NULL;
    }
    char path[4200];
    int n = snprintf(path, sizeof path, "%s/", base);
    PyMem_Free(base);
    for (const char *p = origname; *p && n < 4100; p++) {
        path[n++] = *p == '.' ? '/' : *p;
    }
    strcpy(path + n, ".py");
    Py_ssize_t size;
    NJ_OWN_MEM(char) text = read_file(path, &size);
    if (!text) {
        return NULL;
    }
    NJ_OWN filename = PyUnicode_FromFormat("<frozen %s>", origname);
    if (!filename) {
        return NULL;
    }
    PyCompilerFlags cf = {.cf_flags = PyCF_SOURCE_IS_UTF8 | PyCF_IGNORE_COOKIE,
                          .cf_feature_version = PY_MINOR_VERSION};
    return nj_compile_text(text, size, filename, Py_file_input, &cf, 0, NULL);
}

PyObject *
nj_frozen_code(PyObject *name, const NjFrozen *f)
{
    NjInterp *interp = nj_interp();
    PyObject *code;
    if (!interp->rt.frozen_cache && !(interp->rt.frozen_cache = PyDict_New())) {
        return NULL;
    }
    int rc = PyDict_GetItemRef(interp->rt.frozen_cache, name, &code);
    if (rc) {
        return code;
    }
    if (f->data) {
        code = PyMarshal_ReadObjectFromString((const char *)f->data, f->size);
    }
    else {
        code = compile_library(f->origname);
    }
    if (code && !PyCode_Check(code)) {
        PyErr_Format(PyExc_TypeError, "frozen object %R is not a code object", name);
        Py_CLEAR(code);
    }
    if (code && !f->data && PyDict_SetItem(interp->rt.frozen_cache, name, code) < 0) {
        Py_CLEAR(code);
    }
    return code;
}

/* mmap.c - memory-mapped files: the mmap module.
 *
 * Any conversion of an argument may run Python code that closes or resizes the map:
 * convert first, look at the map after.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIG(s) PyDoc_STR(s "\n--\n\n")

enum { ACCESS_DEFAULT, ACCESS_READ, ACCESS_WRITE, ACCESS_COPY };

typedef struct {
    PyObject_HEAD
    char *data; /* NULL once closed */
    Py_ssize_t size;
    Py_ssize_t pos;
    off_t offset; /* of the map in its file */
    Py_ssize_t exports;
    PyObject *weakrefs;
    int fd; /* a duplicate of the caller's, -1 without one */
    int access;
    int flags;
    bool trackfd;
} Map;

#define MAP(o) ((Map *)(o))

static int
check_open(PyObject *self)
{
    if (!MAP(self)->data) {
        PyErr_SetString(PyExc_ValueError, "mmap closed or invalid");
        return -1;
    }
    return 0;
}

static int
check_writable(PyObject *self)
{
    if (MAP(self)->access == ACCESS_READ) {
        PyErr_SetString(PyExc_TypeError, "mmap can't modify a readonly memory map.");
        return -1;
    }
    return 0;
}

/* An index argument as Py_ssize_t, OverflowError if too wide: -1 with an exception set. */
static Py_ssize_t
arg_ssize(PyObject *o)
{
    NJ_OWN i = PyNumber_Index(o);
    return i ? PyLong_AsSsize_t(i) : -1;
}

static void
release_map(Map *self)
{
    char *data = self->data;
    Py_ssize_t size = self->size;
    int fd = self->fd;
    self->data = NULL;
    self->fd = -1;
    Py_BEGIN_ALLOW_THREADS
    if (fd >= 0) {
        (void)close(fd);
    }
    if (data) {
        munmap(data, (size_t)size);
    }
    Py_END_ALLOW_THREADS
}

static int
mmap_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
mmap_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    release_map(MAP(self));
    PyObject_ClearWeakRefs(self);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyObject *
mmap_close(PyObject *self, PyObject *ignored)
{
    if (MAP(self)->exports > 0) {
        PyErr_SetString(PyExc_BufferError, "cannot close exported pointers exist");
        return NULL;
    }
    release_map(MAP(self));
    Py_RETURN_NONE;
}

static PyObject *
mmap_read_byte(PyObject *self, PyObject *ignored)
{
    Map *m = MAP(self);
    if (check_open(self) < 0) {
        return NULL;
    }
    if (m->pos >= m->size) {
        PyErr_SetString(PyExc_ValueError, "read byte out of range");
        return NULL;
    }
    return PyLong_FromLong((unsigned char)m->data[m->pos++]);
}

static PyObject *
mmap_readline(PyObject *self, PyObject *ignored)
{
    Map *m = MAP(self);
    if (check_open(self) < 0) {
        return NULL;
    }
    Py_ssize_t left = m->pos < m->size ? m->size - m->pos : 0;
    if (!left) {
        return PyBytes_FromStringAndSize("", 0);
    }
    char *start = m->data + m->pos;
    char *eol = memchr(start, '\n', (size_t)left);
    Py_ssize_t n = eol ? eol + 1 - start : left;
    PyObject *line = PyBytes_FromStringAndSize(start, n);
    if (line) {
        m->pos += n;
    }
    return line;
}

static PyObject *
mmap_read(PyObject *self, PyObject *args)
{
    PyObject *o = Py_None;
    if (check_open(self) < 0 || !PyArg_UnpackTuple(args, "read", 0, 1, &o)) {
        return NULL;
    }
    Map *m = MAP(self);
    Py_ssize_t n = PY_SSIZE_T_MAX;
    if (o != Py_None) {
        if (!PyIndex_Check(o)) {
            PyErr_Format(PyExc_TypeError,
                         "argument should be integer or None, not '%.200s'",
                         Py_TYPE(o)->tp_name);
            return NULL;
        }
        n = PyNumber_AsSsize_t(o, PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (check_open(self) < 0) {
        return NULL;
    }
    Py_ssize_t left = m->pos < m->size ? m->size - m->pos : 0;
    if (n < 0 || n > left) {
        n = left;
    }
    PyObject *got = PyBytes_FromStringAndSize(m->data + m->pos, n);
    if (got) {
        m->pos += n;
    }
    return got;
}

static PyObject *
find_in(PyObject *self, PyObject *args, const char *name, bool backwards)
{
    Map *m = MAP(self);
    PyObject *what, *ostart = Py_None, *oend = Py_None;
    NJ_OWN_BUF view = {0};
    if (!PyArg_UnpackTuple(args, name, 1, 3, &what, &ostart, &oend) ||
        PyObject_GetBuffer(what, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    Py_ssize_t start = 0, end = 0;
    if (ostart != Py_None && (start = arg_ssize(ostart)) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (oend != Py_None && (end = arg_ssize(oend)) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (check_open(self) < 0) {
        return NULL;
    }
    if (ostart == Py_None) {
        start = m->pos;
    }
    if (oend == Py_None) {
        end = m->size;
    }
    Py_ssize_t *ends[2] = {&start, &end};
    for (int i = 0; i < 2; i++) {
        Py_ssize_t v = *ends[i];
        if (v < 0) {
            v += m->size;
        }
        *ends[i] = v < 0 ? 0 : v > m->size ? m->size : v;
    }
    Py_ssize_t n = view.len, room = end - start, at = -1;
    if (room < n) {
        return PyLong_FromLong(-1);
    }
    if (!n) {
        at = backwards ? end : start;
        return PyLong_FromSsize_t(at);
    }
    if (!backwards) {
        const char *p;
        Py_BEGIN_ALLOW_THREADS
        p = memmem(m->data + start, (size_t)room, view.buf, (size_t)n);
        Py_END_ALLOW_THREADS
        at = p ? p - m->data : -1;
        return PyLong_FromSsize_t(at);
    }
    const char *hay = m->data + start, *needle = view.buf;
    Py_ssize_t span = room - n + 1;
    const char *p = NULL;
    while (span > 0 && (p = memrchr(hay, needle[0], (size_t)span))) {
        if (!memcmp(p, needle, (size_t)n)) {
            at = p - m->data;
            break;
        }
        span = p - hay;
    }
    return PyLong_FromSsize_t(at);
}

static PyObject *
mmap_find(PyObject *self, PyObject *args)
{
    return check_open(self) < 0 ? NULL : find_in(self, args, "find", false);
}

static PyObject *
mmap_rfind(PyObject *self, PyObject *args)
{
    return check_open(self) < 0 ? NULL : find_in(self, args, "rfind", true);
}

static PyObject *
mmap_write(PyObject *self, PyObject *o)
{
    Map *m = MAP(self);
    NJ_OWN_BUF view = {0};
    if (check_open(self) < 0 || PyObject_GetBuffer(o, &view, PyBUF_SIMPLE) < 0 ||
        check_open(self) < 0 || check_writable(self) < 0) {
        return NULL;
    }
    if (m->pos > m->size || m->size - m->pos < view.len) {
        PyErr_SetString(PyExc_ValueError, "data out of range");
        return NULL;
    }
    memmove(m->data + m->pos, view.buf, (size_t)view.len);
    m->pos += view.len;
    return PyLong_FromSsize_t(view.len);
}

static PyObject *
mmap_write_byte(PyObject *self, PyObject *o)
{
    Map *m = MAP(self);
    if (check_open(self) < 0) {
        return NULL;
    }
    long v = PyLong_AsLong(o);
    if (v == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (v < 0 || v > 255) {
        PyErr_SetString(PyExc_OverflowError,
                        v < 0 ? "unsigned byte integer is less than minimum"
                              : "unsigned byte integer is greater than maximum");
        return NULL;
    }
    if (check_open(self) < 0 || check_writable(self) < 0) {
        return NULL;
    }
    if (m->pos >= m->size) {
        PyErr_SetString(PyExc_ValueError, "write byte out of range");
        return NULL;
    }
    m->data[m->pos++] = (char)v;
    Py_RETURN_NONE;
}

static PyObject *
mmap_size(PyObject *self, PyObject *ignored)
{
    if (check_open(self) < 0) {
        return NULL;
    }
    struct stat st;
    int rc, fd = MAP(self)->fd;
    Py_BEGIN_ALLOW_THREADS
    rc = fstat(fd, &st);
    Py_END_ALLOW_THREADS
    return rc < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLongLong(st.st_size);
}

static PyObject *
mmap_resize(PyObject *self, PyObject *o)
{
    Map *m = MAP(self);
    if (check_open(self) < 0) {
        return NULL;
    }
    Py_ssize_t size = arg_ssize(o);
    if (size == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (check_open(self) < 0) {
        return NULL;
    }
    if (m->exports > 0) {
        PyErr_SetString(PyExc_BufferError,
                        "mmap can't resize with extant buffers exported.");
        return NULL;
    }
    if (!m->trackfd) {
        PyErr_SetString(PyExc_ValueError, "mmap can't resize with trackfd=False.");
        return NULL;
    }
    if (m->access != ACCESS_WRITE && m->access != ACCESS_DEFAULT) {
        PyErr_SetString(PyExc_TypeError,
                        "mmap can't resize a readonly or copy-on-write memory map.");
        return NULL;
    }
    if (size < 0 || size > PY_SSIZE_T_MAX - m->offset) {
        PyErr_SetString(PyExc_ValueError, "new size out of range");
        return NULL;
    }
    /* The kernel would grow the map past the end of its anonymous memory. */
    if (m->fd == -1 && !(m->flags & MAP_PRIVATE) && size > m->size) {
        PyErr_SetString(PyExc_ValueError,
                        "mmap: can't expand a shared anonymous mapping");
        return NULL;
    }
    void *p = MAP_FAILED;
    char *old = m->data;
    size_t old_size = (size_t)m->size;
    off_t offset = m->offset;
    int fd = m->fd, rc = 0;
    Py_BEGIN_ALLOW_THREADS
    if (fd != -1) {
        rc = ftruncate(fd, offset + size);
    }
    if (!rc) {
        p = mremap(old, old_size, (size_t)size, MREMAP_MAYMOVE);
    }
    Py_END_ALLOW_THREADS
    if (p == MAP_FAILED) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    m->data = p;
    m->size = size;
    Py_RETURN_NONE;
}

static PyObject *
mmap_tell(PyObject *self, PyObject *ignored)
{
    return check_open(self) < 0 ? NULL : PyLong_FromSsize_t(MAP(self)->pos);
}

static PyObject *
mmap_flush(PyObject *self, PyObject *args)
{
    Map *m = MAP(self);
    PyObject *ooffset = NULL, *osize = Py_None;
    if (check_open(self) < 0 ||
        !PyArg_UnpackTuple(args, "flush", 0, 2, &ooffset, &osize)) {
        return NULL;
    }
    Py_ssize_t offset = 0, size = 0;
    if (ooffset && (offset = arg_ssize(ooffset)) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (osize != Py_None && (size = arg_ssize(osize)) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (check_open(self) < 0) {
        return NULL;
    }
    if (osize == Py_None) {
        size = m->size;
    }
    if (offset < 0 || size < 0 || m->size - offset < size) {
        PyErr_SetString(PyExc_ValueError, "flush values out of range");
        return NULL;
    }
    if (m->access == ACCESS_READ || m->access == ACCESS_COPY) {
        Py_RETURN_NONE;
    }
    int rc;
    char *p = m->data + offset;
    Py_BEGIN_ALLOW_THREADS
    rc = msync(p, (size_t)size, MS_SYNC);
    Py_END_ALLOW_THREADS
    if (rc < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
mmap_seek(PyObject *self, PyObject *args)
{
    Map *m = MAP(self);
    PyObject *opos, *owhence = NULL;
    if (check_open(self) < 0 ||
        !PyArg_UnpackTuple(args, "seek", 1, 2, &opos, &owhence)) {
        return NULL;
    }
    Py_ssize_t pos = arg_ssize(opos);
    if (pos == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int whence = owhence ? PyLong_AsInt(owhence) : 0;
    if ((whence == -1 && PyErr_Occurred()) || check_open(self) < 0) {
        return NULL;
    }
    Py_ssize_t base = 0;
    switch (whence) {
    case SEEK_SET:
        break;
    case SEEK_CUR:
        base = m->pos;
        break;
    case SEEK_END:
        base = m->size;
        break;
    default:
        PyErr_SetString(PyExc_ValueError, "unknown seek type");
        return NULL;
    }
    if (pos > PY_SSIZE_T_MAX - base || base + pos < 0 || base + pos > m->size) {
        PyErr_SetString(PyExc_ValueError, "seek out of range");
        return NULL;
    }
    m->pos = base + pos;
    return PyLong_FromSsize_t(m->pos);
}

static PyObject *
mmap_seekable(PyObject *self, PyObject *ignored)
{
    Py_RETURN_TRUE;
}

static PyObject *
mmap_move(PyObject *self, PyObject *args)
{
    Map *m = MAP(self);
    PyObject *o[3];
    Py_ssize_t v[3];
    if (check_open(self) < 0 ||
        !PyArg_UnpackTuple(args, "move", 3, 3, &o[0], &o[1], &o[2])) {
        return NULL;
    }
    for (int i = 0; i < 3; i++) {
        v[i] = arg_ssize(o[i]);
        if (v[i] == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (check_open(self) < 0 || check_writable(self) < 0) {
        return NULL;
    }
    Py_ssize_t dest = v[0], src = v[1], count = v[2];
    if (dest < 0 || src < 0 || count < 0 || m->size - dest < count ||
        m->size - src < count) {
        PyErr_SetString(PyExc_ValueError,
                        "source, destination, or count out of range");
        return NULL;
    }
    memmove(m->data + dest, m->data + src, (size_t)count);
    Py_RETURN_NONE;
}

static PyObject *
mmap_madvise(PyObject *self, PyObject *args)
{
    Map *m = MAP(self);
    PyObject *ooption, *ostart = NULL, *olength = Py_None;
    if (check_open(self) < 0 ||
        !PyArg_UnpackTuple(args, "madvise", 1, 3, &ooption, &ostart, &olength)) {
        return NULL;
    }
    int option = PyLong_AsInt(ooption);
    if (option == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t start = 0, length = 0;
    if (ostart && (start = arg_ssize(ostart)) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (olength != Py_None && (length = arg_ssize(olength)) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (check_open(self) < 0) {
        return NULL;
    }
    if (olength == Py_None) {
        length = m->size;
    }
    if (start < 0 || start >= m->size) {
        PyErr_SetString(PyExc_ValueError, "madvise start out of bounds");
        return NULL;
    }
    if (length < 0) {
        PyErr_SetString(PyExc_ValueError, "madvise length invalid");
        return NULL;
    }
    if (PY_SSIZE_T_MAX - start < length) {
        PyErr_SetString(PyExc_OverflowError, "madvise length too large");
        return NULL;
    }
    if (start + length > m->size) {
        length = m->size - start;
    }
    if (madvise(m->data + start, (size_t)length, option) != 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
mmap_enter(PyObject *self, PyObject *ignored)
{
    return check_open(self) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *
mmap_exit(PyObject *self, PyObject *args)
{
    PyObject *type, *value, *tb;
    if (!PyArg_UnpackTuple(args, "__exit__", 3, 3, &type, &value, &tb)) {
        return NULL;
    }
    return mmap_close(self, NULL);
}

static PyObject *
get_closed(PyObject *self, void *closure)
{
    return PyBool_FromLong(MAP(self)->data == NULL);
}

static PyObject *
mmap_repr(PyObject *self)
{
    static const char *const names[] = {"ACCESS_DEFAULT", "ACCESS_READ", "ACCESS_WRITE",
                                        "ACCESS_COPY"};
    Map *m = MAP(self);
    if (!m->data) {
        return PyUnicode_FromFormat("<%s closed=True>", Py_TYPE(self)->tp_name);
    }
    return PyUnicode_FromFormat(
        "<%s closed=False, access=%s, length=%zd, pos=%zd, offset=%lld>",
        Py_TYPE(self)->tp_name, names[m->access], m->size, m->pos, (long long)m->offset);
}

static int
mmap_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    Map *m = MAP(self);
    if (check_open(self) < 0 ||
        PyBuffer_FillInfo(view, self, m->data, m->size, m->access == ACCESS_READ, flags) <
            0) {
        return -1;
    }
    m->exports++;
    return 0;
}

static void
mmap_releasebuffer(PyObject *self, Py_buffer *view)
{
    MAP(self)->exports--;
}

static Py_ssize_t
mmap_length(PyObject *self)
{
    return check_open(self) < 0 ? -1 : MAP(self)->size;
}

static int
check_index(PyObject *self, Py_ssize_t i)
{
    if (i < 0 || i >= MAP(self)->size) {
        PyErr_SetString(PyExc_IndexError, "mmap index out of range");
        return -1;
    }
    return 0;
}

static PyObject *
mmap_item(PyObject *self, Py_ssize_t i)
{
    if (check_open(self) < 0 || check_index(self, i) < 0) {
        return NULL;
    }
    return PyBytes_FromStringAndSize(MAP(self)->data + i, 1);
}

static PyObject *
mmap_subscript(PyObject *self, PyObject *key)
{
    Map *m = MAP(self);
    if (check_open(self) < 0) {
        return NULL;
    }
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if ((i == -1 && PyErr_Occurred()) || check_open(self) < 0) {
            return NULL;
        }
        if (i < 0) {
            i += m->size;
        }
        return check_index(self, i) < 0 ? NULL
                                        : PyLong_FromLong((unsigned char)m->data[i]);
    }
    if (!PySlice_Check(key)) {
        PyErr_SetString(PyExc_TypeError, "mmap indices must be integers");
        return NULL;
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0 || check_open(self) < 0) {
        return NULL;
    }
    Py_ssize_t n = PySlice_AdjustIndices(m->size, &start, &stop, step);
    if (n <= 0) {
        return PyBytes_FromStringAndSize("", 0);
    }
    if (step == 1) {
        return PyBytes_FromStringAndSize(m->data + start, n);
    }
    PyObject *out = PyBytes_FromStringAndSize(NULL, n);
    if (out) {
        char *to = PyBytes_AS_STRING(out);
        for (Py_ssize_t i = 0, at = start; i < n; i++, at += step) {
            to[i] = m->data[at];
        }
    }
    return out;
}

static int
mmap_ass_item(PyObject *self, Py_ssize_t i, PyObject *value)
{
    if (check_open(self) < 0 || check_index(self, i) < 0) {
        return -1;
    }
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "mmap object doesn't support item deletion");
        return -1;
    }
    if (!PyBytes_Check(value) || PyBytes_GET_SIZE(value) != 1) {
        PyErr_SetString(PyExc_IndexError, "mmap assignment must be length-1 bytes()");
        return -1;
    }
    if (check_writable(self) < 0) {
        return -1;
    }
    MAP(self)->data[i] = PyBytes_AS_STRING(value)[0];
    return 0;
}

static int
assign_byte(PyObject *self, PyObject *key, PyObject *value)
{
    Map *m = MAP(self);
    Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if ((i == -1 && PyErr_Occurred()) || check_open(self) < 0) {
        return -1;
    }
    if (i < 0) {
        i += m->size;
    }
    if (check_index(self, i) < 0) {
        return -1;
    }
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "mmap doesn't support item deletion");
        return -1;
    }
    if (!PyIndex_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "mmap item value must be an int");
        return -1;
    }
    Py_ssize_t v = PyNumber_AsSsize_t(value, PyExc_TypeError);
    if (v == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (v < 0 || v > 255) {
        PyErr_SetString(PyExc_ValueError, "mmap item value must be in range(0, 256)");
        return -1;
    }
    if (check_open(self) < 0 || check_index(self, i) < 0) {
        return -1;
    }
    m->data[i] = (char)v;
    return 0;
}

static int
mmap_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    Map *m = MAP(self);
    if (check_open(self) < 0 || check_writable(self) < 0) {
        return -1;
    }
    if (PyIndex_Check(key)) {
        return assign_byte(self, key, value);
    }
    if (!PySlice_Check(key)) {
        PyErr_SetString(PyExc_TypeError, "mmap indices must be integer");
        return -1;
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return -1;
    }
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "mmap object doesn't support slice deletion");
        return -1;
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) < 0 || check_open(self) < 0) {
        return -1;
    }
    /* The size of now: the value may have resized the map. */
    Py_ssize_t n = PySlice_AdjustIndices(m->size, &start, &stop, step);
    if (view.len != n) {
        PyErr_SetString(PyExc_IndexError, "mmap slice assignment is wrong size");
        return -1;
    }
    const char *from = view.buf;
    if (step == 1) {
        memmove(m->data + start, from, (size_t)n);
        return 0;
    }
    for (Py_ssize_t i = 0, at = start; i < n; i++, at += step) {
        m->data[at] = from[i];
    }
    return 0;
}

/* Fills in flags and prot for the access asked for, and the access for the prot. */
static int
settle_access(int *access, int *flags, int *prot)
{
    if (*access != ACCESS_DEFAULT &&
        (*flags != MAP_SHARED || *prot != (PROT_WRITE | PROT_READ))) {
        PyErr_SetString(PyExc_ValueError,
                        "mmap can't specify both access and flags, prot.");
        return -1;
    }
    switch (*access) {
    case ACCESS_READ:
        *prot = PROT_READ;
        break;
    case ACCESS_WRITE:
        break;
    case ACCESS_COPY:
        *flags = MAP_PRIVATE;
        break;
    case ACCESS_DEFAULT:
        if (!(*prot & PROT_WRITE)) {
            *access = ACCESS_READ;
        }
        else if (!(*prot & PROT_READ)) {
            *access = ACCESS_WRITE;
        }
        break;
    default:
        PyErr_SetString(PyExc_ValueError, "mmap invalid access parameter.");
        return -1;
    }
    return 0;
}

/* Checks *size and offset against the file; a size of 0 becomes the rest of the file. */
static int
settle_size(int fd, Py_ssize_t *size, off_t offset)
{
    struct stat st;
    int rc;
    Py_BEGIN_ALLOW_THREADS
    rc = fstat(fd, &st);
    Py_END_ALLOW_THREADS
    if (rc < 0 || !S_ISREG(st.st_mode)) {
        return 0;
    }
    if (*size) {
        if (offset > st.st_size || st.st_size - offset < *size) {
            PyErr_SetString(PyExc_ValueError, "mmap length is greater than file size");
            return -1;
        }
        return 0;
    }
    if (!st.st_size) {
        PyErr_SetString(PyExc_ValueError, "cannot mmap an empty file");
        return -1;
    }
    if (offset >= st.st_size) {
        PyErr_SetString(PyExc_ValueError, "mmap offset is greater than file size");
        return -1;
    }
    if (st.st_size - offset > PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_ValueError, "mmap length is too large");
        return -1;
    }
    *size = (Py_ssize_t)(st.st_size - offset);
    return 0;
}

static PyObject *
mmap_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"fileno", "length",  "flags", "prot",
                            "access", "offset", "trackfd", NULL};
    Py_ssize_t size;
    int fd, flags = MAP_SHARED, prot = PROT_WRITE | PROT_READ, access = ACCESS_DEFAULT;
    int trackfd = 1;
    long long offset = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "in|iiiL$p", names, &fd, &size, &flags,
                                     &prot, &access, &offset, &trackfd)) {
        return NULL;
    }
    if (PySys_Audit("mmap.__new__", "iniL", fd, size, access, offset) < 0) {
        return NULL;
    }
    if (size < 0) {
        PyErr_SetString(PyExc_OverflowError, "memory mapped length must be positive");
        return NULL;
    }
    if (offset < 0) {
        PyErr_SetString(PyExc_OverflowError, "memory mapped offset must be positive");
        return NULL;
    }
    if (settle_access(&access, &flags, &prot) < 0 ||
        (fd != -1 && settle_size(fd, &size, offset) < 0)) {
        return NULL;
    }
    NJ_OWN self = type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    Map *m = MAP(self);
    m->fd = -1;
    m->offset = offset;
    m->access = access;
    m->trackfd = trackfd;
    if (fd == -1) {
        flags |= MAP_ANONYMOUS;
    }
    else if (trackfd) {
        m->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (m->fd < 0) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
    }
    m->flags = flags;
    void *p;
    Py_BEGIN_ALLOW_THREADS
    p = mmap(NULL, (size_t)size, prot, flags, fd, offset);
    Py_END_ALLOW_THREADS
    if (p == MAP_FAILED) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    m->data = p;
    m->size = size;
    return NJ_TAKE(self);
}

static PyMethodDef map_methods[] = {
    {"close", mmap_close, METH_NOARGS, SIG("close($self, /)")},
    {"find", mmap_find, METH_VARARGS, SIG("find($self, view, start=None, end=None, /)")},
    {"rfind", mmap_rfind, METH_VARARGS,
     SIG("rfind($self, view, start=None, end=None, /)")},
    {"flush", mmap_flush, METH_VARARGS, SIG("flush($self, offset=0, size=None, /)")},
    {"madvise", mmap_madvise, METH_VARARGS,
     SIG("madvise($self, option, start=0, length=None, /)")},
    {"move", mmap_move, METH_VARARGS, SIG("move($self, dest, src, count, /)")},
    {"read", mmap_read, METH_VARARGS, SIG("read($self, n=None, /)")},
    {"read_byte", mmap_read_byte, METH_NOARGS, SIG("read_byte($self, /)")},
    {"readline", mmap_readline, METH_NOARGS, SIG("readline($self, /)")},
    {"resize", mmap_resize, METH_O, SIG("resize($self, newsize, /)")},
    {"seek", mmap_seek, METH_VARARGS, SIG("seek($self, pos, whence=0, /)")},
    {"seekable", mmap_seekable, METH_NOARGS, SIG("seekable($self, /)")},
    {"size", mmap_size, METH_NOARGS, SIG("size($self, /)")},
    {"tell", mmap_tell, METH_NOARGS, SIG("tell($self, /)")},
    {"write", mmap_write, METH_O, SIG("write($self, bytes, /)")},
    {"write_byte", mmap_write_byte, METH_O, SIG("write_byte($self, byte, /)")},
    {"__enter__", mmap_enter, METH_NOARGS, SIG("__enter__($self, /)")},
    {"__exit__", mmap_exit, METH_VARARGS,
     SIG("__exit__($self, exc_type, exc_value, traceback, /)")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef map_getset[] = {
    {"closed", get_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef map_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Map, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(map_doc,
             "mmap(fileno, length[, flags[, prot[, access[, offset[, trackfd]]]]])\n\n"
             "Map length bytes of the file open as descriptor fileno into memory; a\n"
             "length of 0 maps the file as long as it is at this moment. flags tells\n"
             "whether changes are shared with other processes and the file (MAP_SHARED,\n"
             "the default) or a private copy (MAP_PRIVATE).\n\n"
             "Pass -1 as fileno to map anonymous memory.");

static PyType_Slot map_slots[] = {
    {Py_tp_new, mmap_new},
    {Py_tp_dealloc, mmap_dealloc},
    {Py_tp_traverse, mmap_traverse},
    {Py_tp_repr, mmap_repr},
    {Py_tp_doc, (void *)map_doc},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_methods, map_methods},
    {Py_tp_getset, map_getset},
    {Py_tp_members, map_members},
    {Py_sq_length, mmap_length},
    {Py_sq_item, mmap_item},
    {Py_sq_ass_item, mmap_ass_item},
    {Py_mp_length, mmap_length},
    {Py_mp_subscript, mmap_subscript},
    {Py_mp_ass_subscript, mmap_ass_subscript},
    {Py_bf_getbuffer, mmap_getbuffer},
    {Py_bf_releasebuffer, mmap_releasebuffer},
    {0, NULL},
};

static PyType_Spec map_spec = {
    .name = "mmap.mmap",
    .basicsize = sizeof(Map),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = map_slots,
};

static const struct {
    const char *name;
    int value;
} constants[] = {
#define C(name) {#name, name}
    C(PROT_EXEC),
    C(PROT_READ),
    C(PROT_WRITE),
    C(MAP_SHARED),
    C(MAP_PRIVATE),
    C(MAP_DENYWRITE),
    C(MAP_EXECUTABLE),
    C(MAP_ANONYMOUS),
    C(MAP_ANON),
    C(MAP_POPULATE),
    C(MAP_STACK),
    C(MAP_NORESERVE),
#ifdef MAP_32BIT
    C(MAP_32BIT),
#endif
    C(ACCESS_DEFAULT),
    C(ACCESS_READ),
    C(ACCESS_WRITE),
    C(ACCESS_COPY),
    C(MADV_NORMAL),
    C(MADV_RANDOM),
    C(MADV_SEQUENTIAL),
    C(MADV_WILLNEED),
    C(MADV_DONTNEED),
    C(MADV_REMOVE),
    C(MADV_DONTFORK),
    C(MADV_DOFORK),
    C(MADV_HWPOISON),
    C(MADV_MERGEABLE),
    C(MADV_UNMERGEABLE),
    C(MADV_HUGEPAGE),
    C(MADV_NOHUGEPAGE),
    C(MADV_DONTDUMP),
    C(MADV_DODUMP),
    C(MADV_FREE),
#undef C
};

static int
mmap_exec(PyObject *module)
{
    NJ_OWN type = PyType_FromModuleAndSpec(module, &map_spec, NULL);
    if (!type || PyModule_AddType(module, (PyTypeObject *)type) < 0 ||
        PyModule_AddObjectRef(module, "error", PyExc_OSError) < 0) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0) {
            return -1;
        }
    }
    long page = sysconf(_SC_PAGESIZE);
    if (PyModule_AddIntConstant(module, "PAGESIZE", page) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(module, "ALLOCATIONGRANULARITY", page);
}

static PyModuleDef_Slot mmap_slots[] = {
    {Py_mod_exec, mmap_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef mmap_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mmap",
    .m_slots = mmap_slots,
};

PyMODINIT_FUNC
PyInit_mmap(void)
{
    return PyModuleDef_Init(&mmap_module);
}

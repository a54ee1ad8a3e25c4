/* codecbuf.h - the two buffers of a stream codec: output that grows, input left over.
 *
 * For the compression modules, built in and shared: public API only. Output is a bytes
 * object that doubles until 64 MiB and grows by that much afterwards, never past max.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_BASE_CODECBUF_H
#define NJ_BASE_CODECBUF_H

typedef struct NjOutBuf {
    PyObject *bytes;      /* owned, or NULL before the first room */
    Py_ssize_t used, max; /* max < 0: no limit */
} NjOutBuf;

static inline void
nj_drop_outbuf_(NjOutBuf *o)
{
    Py_CLEAR(o->bytes);
}

/* NJ_OUTBUF(out, limit);   empty; dropped when the scope ends */
#define NJ_OUTBUF(name, limit)                                                         \
    __attribute__((cleanup(nj_drop_outbuf_))) NjOutBuf name = {.max = (limit)}

/* Where to write next, and how much fits there (more than 0); first is the size of a new
 * buffer. Count what was written in used. 1; 0 when max is reached; -1 without memory. */
static inline NJ_MUST int
nj_outbuf_room(NjOutBuf *o, Py_ssize_t first, char **next, size_t *room)
{
    enum { STEP = 1 << 26 };
    Py_ssize_t size = o->bytes ? PyBytes_GET_SIZE(o->bytes) : 0;
    if (o->used == size) {
        Py_ssize_t bigger = size ? size + (size < STEP ? size : STEP) : first;
        if (o->max >= 0 && bigger > o->max) {
            bigger = o->max;
        }
        if (bigger == size) {
            return 0;
        }
        if (!o->bytes) {
            o->bytes = PyBytes_FromStringAndSize(NULL, bigger);
        } else {
            _PyBytes_Resize(&o->bytes, bigger);
        }
        if (!o->bytes) {
            return -1;
        }
        size = bigger;
    }
    *next = PyBytes_AS_STRING(o->bytes) + o->used;
    *room = (size_t)(size - o->used);
    return 1;
}

/* The bytes written so far, as a new reference; the buffer is empty afterwards. */
static inline NJ_MUST PyObject *
nj_outbuf_take(NjOutBuf *o)
{
    if (!o->bytes || o->used == 0) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    if (PyBytes_GET_SIZE(o->bytes) != o->used) {
        _PyBytes_Resize(&o->bytes, o->used);
    }
    PyObject *r = o->bytes;
    o->bytes = NULL;
    return r;
}

typedef struct NjInBuf {
    char *mem;             /* PyMem_Malloc'ed, or NULL */
    size_t pos, end, size; /* mem[pos:end] waits to be decoded */
} NjInBuf;

/* What waits, followed by *data (*n bytes): *data and *n say where the whole lies, in
 * memory of the caller or of the buffer. 0, or -1 with MemoryError. */
static inline NJ_MUST int
nj_inbuf_join(NjInBuf *in, const char **data, size_t *n)
{
    size_t old = in->end - in->pos;
    if (old == 0) {
        in->pos = in->end = 0;
        return 0;
    }
    if (*n > in->size - in->end) {
        if (*n > (size_t)PY_SSIZE_T_MAX - old) {
            PyErr_NoMemory();
            return -1;
        }
        if (*n <= in->size - old && in->pos >= old) {
            memcpy(in->mem, in->mem + in->pos, old);
        } else {
            char *mem = PyMem_Malloc(old + *n);
            if (!mem) {
                PyErr_NoMemory();
                return -1;
            }
            memcpy(mem, in->mem + in->pos, old);
            PyMem_Free(in->mem);
            in->mem = mem;
            in->size = old + *n;
        }
        in->pos = 0;
        in->end = old;
    }
    if (*n) {
        memcpy(in->mem + in->end, *data, *n);
        in->end += *n;
    }
    *data = in->mem + in->pos;
    *n = in->end - in->pos;
    return 0;
}

/* After nj_inbuf_join: keeps the last n bytes, at rest, for the next time. 0/-1. */
static inline NJ_MUST int
nj_inbuf_keep(NjInBuf *in, const char *rest, size_t n)
{
    if (n == 0) {
        in->pos = in->end = 0;
    } else if (in->end) {
        in->pos = in->end - n; /* rest is in mem already */
    } else {
        if (in->size < n) {
            char *mem = PyMem_Malloc(n);
            if (!mem) {
                PyErr_NoMemory();
                return -1;
            }
            PyMem_Free(in->mem);
            in->mem = mem;
            in->size = n;
        }
        memcpy(in->mem, rest, n);
        in->end = n;
    }
    return 0;
}

static inline void
nj_inbuf_free(NjInBuf *in)
{
    PyMem_Free(in->mem);
    *in = (NjInBuf){0};
}

#endif

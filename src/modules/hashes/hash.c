/* hash.c - contexts and hash objects, see hashes_int.h.
 *
 * Large inputs are hashed without the GIL, each object guarded by its own mutex.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "hashes_int.h"

void
nj_hash_start(NjHashCtx *c, const NjHashAlgorithm *a)
{
    c->length = c->length_high = 0;
    c->used = 0;
    c->digest_size = a->digest_size;
    c->last_node = false;
    a->init(c);
}

void
nj_hash_feed(NjHashCtx *c, const NjHashAlgorithm *a, const void *data, size_t n)
{
    const unsigned char *p = data;
    size_t bs = a->block_size, wait = a->lazy;
    if (n == 0) {
        return;
    }
    if (!a->lazy) {
        c->length += n;
    }
    if (c->used) {
        size_t take = bs - c->used < n ? bs - c->used : n;
        memcpy(c->block + c->used, p, take);
        c->used = (uint16_t)(c->used + take);
        p += take;
        n -= take;
        if (c->used < bs || n < wait) {
            return;
        }
        a->blocks(c, c->block, 1);
        c->used = 0;
    }
    if (n >= bs + wait) {
        size_t whole = (n - wait) / bs;
        a->blocks(c, p, whole);
        p += whole * bs;
        n -= whole * bs;
    }
    memcpy(c->block, p, n);
    c->used = (uint16_t)n;
}

PyObject *
nj_hash_new(PyTypeObject *type, const NjHashAlgorithm *a)
{
    NjHash *h = (NjHash *)type->tp_alloc(type, 0);
    if (h != NULL) {
        h->algorithm = a;
        nj_hash_start(&h->ctx, a);
    }
    return (PyObject *)h;
}

int
nj_hash_update(NjHash *h, PyObject *data)
{
    NJ_OWN_BUF view = {0};
    if (nj_hash_view(data, &view) < 0) {
        return -1;
    }
    if (view.len >= NJ_HASH_GIL_MINSIZE) {
        Py_BEGIN_ALLOW_THREADS
        PyMutex_Lock(&h->mutex);
        nj_hash_feed(&h->ctx, h->algorithm, view.buf, (size_t)view.len);
        PyMutex_Unlock(&h->mutex);
        Py_END_ALLOW_THREADS
    } else {
        PyMutex_Lock(&h->mutex);
        nj_hash_feed(&h->ctx, h->algorithm, view.buf, (size_t)view.len);
        PyMutex_Unlock(&h->mutex);
    }
    return 0;
}

void
nj_hash_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

int
nj_hash_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

PyObject *
nj_hash_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjHash *h = (NjHash *)op;
    NjHash *r = (NjHash *)Py_TYPE(op)->tp_alloc(Py_TYPE(op), 0);
    if (r != NULL) {
        r->algorithm = h->algorithm;
        PyMutex_Lock(&h->mutex);
        r->ctx = h->ctx;
        PyMutex_Unlock(&h->mutex);
    }
    return (PyObject *)r;
}

static size_t
finish(NjHash *h, unsigned char *out)
{
    NjHashCtx c;
    PyMutex_Lock(&h->mutex);
    c = h->ctx;
    PyMutex_Unlock(&h->mutex);
    size_t n = c.digest_size;
    h->algorithm->finish(&c, out);
    return n;
}

PyObject *
nj_hash_digest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    unsigned char out[NJ_HASH_MAX_DIGEST];
    size_t n = finish((NjHash *)op, out);
    return PyBytes_FromStringAndSize((char *)out, (Py_ssize_t)n);
}

PyObject *
nj_hash_hexdigest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    unsigned char out[NJ_HASH_MAX_DIGEST];
    size_t n = finish((NjHash *)op, out);
    return nj_hash_hex(out, n);
}

PyObject *
nj_hash_update_method(PyObject *op, PyObject *data)
{
    if (nj_hash_update((NjHash *)op, data) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
nj_hash_get_block_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((NjHash *)op)->algorithm->block_size);
}

PyObject *
nj_hash_get_name(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((NjHash *)op)->algorithm->name);
}

PyObject *
nj_hash_get_digest_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((NjHash *)op)->ctx.digest_size);
}

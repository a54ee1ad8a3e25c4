/* _random.c - the Mersenne Twister of the module random.
 *
 * MT19937 after M. Matsumoto and T. Nishimura (1998), with their initialization by an
 * array (2002): the seed's absolute value is cut into 32-bit words, least significant
 * first. random() joins two outputs to 53 bits. The sequences are part of Python's
 * promise.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { N = 624, M = 397 };

typedef struct Random {
    PyObject_HEAD
    int index;
    uint32_t state[N];
} Random;

typedef struct State {
    PyTypeObject *random_type;
} State;

static struct PyModuleDef random_module;

NJ_INLINE uint32_t
twist(uint32_t u, uint32_t v)
{
    uint32_t y = (u & 0x80000000u) | (v & 0x7fffffffu);
    return y >> 1 ^ ((0u - (v & 1)) & 0x9908b0dfu);
}

static void
refill(Random *self)
{
    uint32_t *s = self->state;
    int i = 0;
    for (; i < N - M; i++) {
        s[i] = s[i + M] ^ twist(s[i], s[i + 1]);
    }
    for (; i < N - 1; i++) {
        s[i] = s[i + M - N] ^ twist(s[i], s[i + 1]);
    }
    s[N - 1] = s[M - 1] ^ twist(s[N - 1], s[0]);
    self->index = 0;
}

static uint32_t
next32(Random *self)
{
    if (self->index >= N) {
        refill(self);
    }
    uint32_t y = self->state[self->index++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    y ^= y >> 18;
    return y;
}

static void
seed_number(Random *self, uint32_t seed)
{
    uint32_t *s = self->state;
    s[0] = seed;
    for (uint32_t i = 1; i < N; i++) {
        s[i] = 1812433253u * (s[i - 1] ^ s[i - 1] >> 30) + i;
    }
    self->index = N;
}

static void
seed_array(Random *self, const uint32_t *key, size_t n)
{
    uint32_t *s = self->state;
    seed_number(self, 19650218u);
    size_t i = 1, j = 0;
    for (size_t k = n > N ? n : N; k > 0; k--) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525u) + key[j] + (uint32_t)j;
        i++;
        j++;
        if (i >= N) {
            s[0] = s[N - 1];
            i = 1;
        }
        if (j >= n) {
            j = 0;
        }
    }
    for (size_t k = N - 1; k > 0; k--) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941u) - (uint32_t)i;
        i++;
        if (i >= N) {
            s[0] = s[N - 1];
            i = 1;
        }
    }
    s[0] = 0x80000000u;
}

static void
seed_from_system(Random *self)
{
    uint32_t key[N];
    if (getrandom(key, sizeof key, GRND_NONBLOCK) == (ssize_t)sizeof key) {
        seed_array(self, key, N);
        return;
    }
    struct timespec a, b;
    clock_gettime(CLOCK_REALTIME, &a);
    clock_gettime(CLOCK_MONOTONIC, &b);
    key[0] = (uint32_t)a.tv_sec;
    key[1] = (uint32_t)a.tv_nsec;
    key[2] = (uint32_t)getpid();
    key[3] = (uint32_t)b.tv_sec;
    key[4] = (uint32_t)b.tv_nsec;
    seed_array(self, key, 5);
}

static int
seed_from(Random *self, PyObject *arg)
{
    if (arg == NULL || arg == Py_None) {
        seed_from_system(self);
        return 0;
    }
    NJ_OWN n = NULL;
    if (PyLong_Check(arg)) {
        n = PyLong_Type.tp_as_number->nb_absolute(arg); /* no override of a subclass */
    }
    else {
        Py_hash_t h = PyObject_Hash(arg);
        if (h == -1) {
            return -1;
        }
        n = PyLong_FromSize_t((size_t)h);
    }
    if (n == NULL) {
        return -1;
    }
    size_t bits = (size_t)_PyLong_NumBits(n);
    size_t words = bits == 0 ? 1 : (bits - 1) / 32 + 1;
    NJ_OWN_MEM(uint32_t) key = PyMem_Malloc(words * 4);
    if (key == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyLong_AsNativeBytes(n, key, (Py_ssize_t)words * 4,
                             Py_ASNATIVEBYTES_LITTLE_ENDIAN |
                                 Py_ASNATIVEBYTES_UNSIGNED_BUFFER) < 0) {
        return -1;
    }
    seed_array(self, key, words);
    return 0;
}

static PyObject *
Random_random(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Random *self = (Random *)op;
    uint32_t a = next32(self) >> 5, b = next32(self) >> 6;
    return PyFloat_FromDouble((a * 67108864.0 + b) * (1.0 / 9007199254740992.0));
}

static PyObject *
Random_seed(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "seed expected at most 1 argument, got %zd", nargs);
        return NULL;
    }
    if (seed_from((Random *)op, nargs ? args[0] : NULL) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
Random_getstate(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Random *self = (Random *)op;
    NJ_OWN t = PyTuple_New(N + 1);
    if (t == NULL) {
        return NULL;
    }
    for (int i = 0; i <= N; i++) {
        PyObject *x = PyLong_FromUnsignedLong(i < N ? self->state[i]
                                                    : (unsigned long)self->index);
        if (x == NULL) {
            return NULL;
        }
        PyTuple_SET_ITEM(t, i, x);
    }
    return NJ_TAKE(t);
}

static PyObject *
Random_setstate(PyObject *op, PyObject *state)
{
    Random *self = (Random *)op;
    if (!PyTuple_Check(state)) {
        PyErr_SetString(PyExc_TypeError, "state vector must be a tuple");
        return NULL;
    }
    if (PyTuple_GET_SIZE(state) != N + 1) {
        PyErr_SetString(PyExc_ValueError, "state vector is the wrong size");
        return NULL;
    }
    uint32_t fresh[N];
    for (int i = 0; i < N; i++) {
        unsigned long x = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(state, i));
        if (x == (unsigned long)-1 && PyErr_Occurred()) {
            return NULL;
        }
        if (x >> 32) {
            PyErr_SetString(PyExc_ValueError, "invalid state");
            return NULL;
        }
        fresh[i] = (uint32_t)x;
    }
    long index = PyLong_AsLong(PyTuple_GET_ITEM(state, N));
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (index < 0 || index > N) {
        PyErr_SetString(PyExc_ValueError, "invalid state");
        return NULL;
    }
    self->index = (int)index;
    memcpy(self->state, fresh, sizeof fresh);
    Py_RETURN_NONE;
}

static PyObject *
Random_getrandbits(PyObject *op, PyObject *arg)
{
    Random *self = (Random *)op;
    uint64_t k;
    if (PyLong_AsUInt64(arg, &k) < 0) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError, "Python int too large for C uint64_t");
        }
        return NULL;
    }
    if (k == 0) {
        return PyLong_FromLong(0);
    }
    if (k <= 32) {
        return PyLong_FromUnsignedLong(next32(self) >> (32 - k));
    }
    if ((k - 1) / 32 + 1 > PY_SSIZE_T_MAX / 4) {
        PyErr_NoMemory();
        return NULL;
    }
    /* 32 bits at a time, least significant first; the last word gives its upper bits. */
    size_t words = (size_t)((k - 1) / 32 + 1);
    NJ_OWN_MEM(uint32_t) buf = PyMem_Malloc(words * 4);
    if (buf == NULL) {
        return PyErr_NoMemory();
    }
    for (size_t i = 0; i < words; i++) {
        uint32_t r = next32(self);
        if (k < 32) {
            r >>= 32 - k;
        }
        buf[i] = r;
        k -= k < 32 ? k : 32;
    }
    return PyLong_FromUnsignedNativeBytes(buf, words * 4, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
}

static int
Random_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *m = PyType_GetModuleByDef(Py_TYPE(op), &random_module);
    if (m == NULL) {
        return -1;
    }
    PyTypeObject *base = ((State *)PyModule_GetState(m))->random_type;
    bool plain = Py_IS_TYPE(op, base) ||
                 PyType_GetSlot(Py_TYPE(op), Py_tp_init) == (void *)Random_init;
    if (plain && kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Random() takes no keyword arguments");
        return -1;
    }
    if (PyTuple_GET_SIZE(args) > 1) {
        PyErr_Format(PyExc_TypeError, "Random expected at most 1 argument, got %zd",
                     PyTuple_GET_SIZE(args));
        return -1;
    }
    return seed_from((Random *)op,
                     PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL);
}

static void
Random_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyMethodDef Random_methods[] = {
    {"random", Random_random, METH_NOARGS,
     "random($self, /)\n--\n\nA float x with 0 <= x < 1."},
    {"seed", (PyCFunction)(void *)Random_seed, METH_FASTCALL,
     "seed($self, n=None, /)\n--\n\n"
     "Starts anew from an int, from the hash of an object, or from the system."},
    {"getstate", Random_getstate, METH_NOARGS,
     "getstate($self, /)\n--\n\nThe whole state as a tuple of ints."},
    {"setstate", Random_setstate, METH_O,
     "setstate($self, state, /)\n--\n\nGoes back to what getstate() returned."},
    {"getrandbits", Random_getrandbits, METH_O,
     "getrandbits($self, k, /)\n--\n\nAn int of k random bits."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot Random_slots[] = {
    {Py_tp_doc, "Random() -> create a random number generator with its own internal state."},
    {Py_tp_methods, Random_methods},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, Random_init},
    {Py_tp_dealloc, Random_dealloc},
    {0, NULL},
};

static PyType_Spec Random_spec = {
    .name = "_random.Random",
    .basicsize = sizeof(Random),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = Random_slots,
};

static int
random_exec(PyObject *m)
{
    State *st = PyModule_GetState(m);
    st->random_type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &Random_spec, NULL);
    return st->random_type ? PyModule_AddType(m, st->random_type) : -1;
}

static int
random_traverse(PyObject *m, visitproc visit, void *arg)
{
    Py_VISIT(((State *)PyModule_GetState(m))->random_type);
    return 0;
}

static int
random_clear(PyObject *m)
{
    Py_CLEAR(((State *)PyModule_GetState(m))->random_type);
    return 0;
}

static void
random_free(void *m)
{
    random_clear(m);
}

static PyModuleDef_Slot random_slots[] = {
    {Py_mod_exec, random_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef random_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_random",
    .m_doc = "Module implements the Mersenne Twister random number generator.",
    .m_size = sizeof(State),
    .m_slots = random_slots,
    .m_traverse = random_traverse,
    .m_clear = random_clear,
    .m_free = random_free,
};

PyMODINIT_FUNC PyInit__random(void);
PyMODINIT_FUNC
PyInit__random(void)
{
    return PyModuleDef_Init(&random_module);
}

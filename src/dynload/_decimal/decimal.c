/* decimal.c - the type decimal.Decimal: life, arithmetic, comparison, hash.
 *
 * Decimal is not tracked by the collector: it refers to nothing but its class.
 * SPDX-License-Identifier: MIT
 */
#include "decimal_int.h"

/* ---- life ---------------------------------------------------------------------------- */

void
nj_dec_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    if (!(MPD(op)->flags & MPD_STATIC_DATA)) {
        mpd_free(MPD(op)->data);
    }
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyObject *
new_decimal(PyTypeObject *type, PyObject *value, PyObject *context_arg)
{
    DecState *st = PyModule_GetState(((PyHeapTypeObject *)dec_base(type))->ht_module);
    PyObject *context;
    if (nj_context_arg(st, context_arg, &context) < 0) {
        return NULL;
    }
    return nj_dec_from_object(st, type, value, context, true);
}

static char *const new_keywords[] = {"value", "context", NULL};

static PyObject *
dec_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *value = NULL, *context = NULL;
    return PyArg_ParseTupleAndKeywords(args, kwargs, "|OO", (char **)new_keywords, &value,
                                       &context)
               ? new_decimal(type, value, context)
               : NULL;
}

PyObject *
nj_dec_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *v[2];
    return parse_args(args, PyVectorcall_NARGS(nargsf), kwnames, "|OO", new_keywords, 0, 2,
                      v) < 0
               ? NULL
               : new_decimal((PyTypeObject *)type, v[0], v[1]);
}

/* ---- operands ------------------------------------------------------------------------ */

/* A number as an operand: a small int needs no Decimal. */
typedef struct Operand {
    const mpd_t *v;
    PyObject *owned;
    mpd_t small;
    mpd_uint_t data[DATA_WORDS];
} Operand;

static inline void
set_small(Operand *o, Py_ssize_t value)
{
    o->data[0] = value < 0 ? -(mpd_uint_t)value : (mpd_uint_t)value;
    o->small.flags = MPD_STATIC | MPD_CONST_DATA | (value < 0 ? MPD_NEG : MPD_POS);
    o->small.exp = 0;
    o->small.digits = mpd_word_digits(o->data[0]);
    o->small.len = 1;
    o->small.alloc = DATA_WORDS;
    o->small.data = o->data;
    o->v = &o->small;
    o->owned = NULL;
}

/* 1; 0 if v is neither Decimal nor int; -1. */
static inline int
get_operand(DecState *st, PyObject *context, PyObject *v, Operand *o)
{
    if (IS_DEC(st, v)) {
        o->v = MPD(v);
        o->owned = NULL;
        return 1;
    }
    if (PyLong_Check(v) && PyUnstable_Long_IsCompact((PyLongObject *)v)) {
        set_small(o, PyUnstable_Long_CompactValue((PyLongObject *)v));
        return 1;
    }
    int r = nj_convert(st, context, v, &o->owned);
    if (r > 0) {
        o->v = MPD(o->owned);
    }
    return r;
}

static inline void
drop_operand(Operand *o)
{
    Py_XDECREF(o->owned);
}

/* The state by the operands of a number slot, of which one is a Decimal. */
static inline DecState *
state_of_either(PyObject *a, PyObject *b)
{
    PyTypeObject *type = dec_base(Py_TYPE(a));
    if (NJ_UNLIKELY(type == NULL)) {
        type = dec_base(Py_TYPE(b));
    }
    return PyModule_GetState(((PyHeapTypeObject *)type)->ht_module);
}

/* ---- computing ----------------------------------------------------------------------- */

static inline PyObject *
finish(DecState *st, PyObject *NJ_STEALS d, PyObject *context, uint32_t status)
{
    if (add_status(st, context, status) < 0) {
        Py_DECREF(d);
        return NULL;
    }
    return d;
}

PyObject *
nj_unary(DecState *st, UnaryFunc *f, PyObject *v, PyObject *context)
{
    uint32_t status = 0;
    PyObject *r = nj_dec_alloc(st, st->dec_type);
    if (r == NULL) {
        return NULL;
    }
    f(MPD(r), MPD(v), CTX(context), &status);
    return finish(st, r, context, status);
}

PyObject *
nj_binary(DecState *st, BinaryFunc *f, PyObject *a, PyObject *b, PyObject *context)
{
    uint32_t status = 0;
    PyObject *r = nj_dec_alloc(st, st->dec_type);
    if (r == NULL) {
        return NULL;
    }
    f(MPD(r), MPD(a), MPD(b), CTX(context), &status);
    return finish(st, r, context, status);
}

static PyObject *
divmod_of(DecState *st, const mpd_t *a, const mpd_t *b, PyObject *context)
{
    uint32_t status = 0;
    NJ_OWN q = nj_dec_alloc(st, st->dec_type);
    NJ_OWN r = q ? nj_dec_alloc(st, st->dec_type) : NULL;
    if (r == NULL) {
        return NULL;
    }
    mpd_qdivmod(MPD(q), MPD(r), a, b, CTX(context), &status);
    return add_status(st, context, status) < 0 ? NULL : PyTuple_Pack(2, q, r);
}

PyObject *
nj_divmod(DecState *st, PyObject *a, PyObject *b, PyObject *context)
{
    return divmod_of(st, MPD(a), MPD(b), context);
}

PyObject *
nj_power(DecState *st, PyObject *a, PyObject *b, PyObject *mod, PyObject *context)
{
    if (mod == NULL) {
        return nj_binary(st, mpd_qpow, a, b, context);
    }
    uint32_t status = 0;
    PyObject *r = nj_dec_alloc(st, st->dec_type);
    if (r == NULL) {
        return NULL;
    }
    mpd_qpowmod(MPD(r), MPD(a), MPD(b), MPD(mod), CTX(context), &status);
    return finish(st, r, context, status);
}

PyObject *
nj_fma(DecState *st, PyObject *a, PyObject *b, PyObject *c, PyObject *context)
{
    uint32_t status = 0;
    PyObject *r = nj_dec_alloc(st, st->dec_type);
    if (r == NULL) {
        return NULL;
    }
    mpd_qfma(MPD(r), MPD(a), MPD(b), MPD(c), CTX(context), &status);
    return finish(st, r, context, status);
}

PyObject *
nj_to_integral(DecState *st, PyObject *v, PyObject *context, int rounding, bool exact)
{
    uint32_t status = 0;
    mpd_context_t ctx = *CTX(context);
    if (rounding >= 0) {
        ctx.round = rounding;
    }
    PyObject *r = nj_dec_alloc(st, st->dec_type);
    if (r == NULL) {
        return NULL;
    }
    (exact ? mpd_qround_to_intx : mpd_qround_to_int)(MPD(r), MPD(v), &ctx, &status);
    return finish(st, r, context, status);
}

/* ---- adapters ------------------------------------------------------------------------ */

void
nj_compare_func(mpd_t *r, const mpd_t *a, const mpd_t *b, const mpd_context_t *ctx,
                uint32_t *status)
{
    (void)mpd_qcompare(r, a, b, ctx, status);
}

void
nj_compare_signal_func(mpd_t *r, const mpd_t *a, const mpd_t *b, const mpd_context_t *ctx,
                       uint32_t *status)
{
    (void)mpd_qcompare_signal(r, a, b, ctx, status);
}

void
nj_compare_total_func(mpd_t *r, const mpd_t *a, const mpd_t *b, const mpd_context_t *ctx,
                      uint32_t *status)
{
    (void)mpd_compare_total(r, a, b);
}

void
nj_compare_total_mag_func(mpd_t *r, const mpd_t *a, const mpd_t *b,
                          const mpd_context_t *ctx, uint32_t *status)
{
    (void)mpd_compare_total_mag(r, a, b);
}

void
nj_copy_sign_func(mpd_t *r, const mpd_t *a, const mpd_t *b, const mpd_context_t *ctx,
                  uint32_t *status)
{
    (void)mpd_qcopy_sign(r, a, b, status);
}

void
nj_copy_abs_func(mpd_t *r, const mpd_t *a, const mpd_context_t *ctx, uint32_t *status)
{
    (void)mpd_qcopy_abs(r, a, status);
}

void
nj_copy_negate_func(mpd_t *r, const mpd_t *a, const mpd_context_t *ctx, uint32_t *status)
{
    (void)mpd_qcopy_negate(r, a, status);
}

/* ---- number slots -------------------------------------------------------------------- */

static inline PyObject *
number_unary(PyObject *v, UnaryFunc *f)
{
    DecState *st = state_of(v);
    PyObject *context = nj_current_context(st);
    return context ? nj_unary(st, f, v, context) : NULL;
}

static inline PyObject *
number_binary(PyObject *a, PyObject *b, BinaryFunc *f)
{
    DecState *st = state_of_either(a, b);
    PyObject *context = nj_current_context(st);
    if (context == NULL) {
        return NULL;
    }
    Operand x, y;
    int ok = get_operand(st, context, a, &x);
    if (ok > 0) {
        ok = get_operand(st, context, b, &y);
        if (ok > 0) {
            uint32_t status = 0;
            PyObject *r = nj_dec_alloc(st, st->dec_type);
            if (r) {
                f(MPD(r), x.v, y.v, CTX(context), &status);
                r = finish(st, r, context, status);
            }
            drop_operand(&x);
            drop_operand(&y);
            return r;
        }
        drop_operand(&x);
    }
    if (ok < 0) {
        return NULL;
    }
    Py_RETURN_NOTIMPLEMENTED;
}

#define NUMBER_UNARY(name, func)                                                       \
    static PyObject *number_##name(PyObject *v) { return number_unary(v, func); }
#define NUMBER_BINARY(name, func)                                                      \
    static PyObject *number_##name(PyObject *a, PyObject *b)                           \
    {                                                                                  \
        return number_binary(a, b, func);                                              \
    }

NUMBER_UNARY(negative, mpd_qminus)
NUMBER_UNARY(positive, mpd_qplus)
NUMBER_UNARY(absolute, mpd_qabs)
NUMBER_BINARY(add, mpd_qadd)
NUMBER_BINARY(subtract, mpd_qsub)
NUMBER_BINARY(multiply, mpd_qmul)
NUMBER_BINARY(divide, mpd_qdiv)
NUMBER_BINARY(remainder, mpd_qrem)
NUMBER_BINARY(floor_divide, mpd_qdivint)

static PyObject *
number_divmod(PyObject *a, PyObject *b)
{
    DecState *st = state_of_either(a, b);
    PyObject *context = nj_current_context(st);
    if (context == NULL) {
        return NULL;
    }
    NJ_OWN x = NULL;
    NJ_OWN y = NULL;
    int ok = nj_convert(st, context, a, &x);
    if (ok > 0) {
        ok = nj_convert(st, context, b, &y);
    }
    if (ok <= 0) {
        return ok < 0 ? NULL : Py_NewRef(Py_NotImplemented);
    }
    return nj_divmod(st, x, y, context);
}

static PyObject *
number_power(PyObject *a, PyObject *b, PyObject *mod)
{
    if (mod == Py_None) {
        return number_binary(a, b, mpd_qpow);
    }
    PyTypeObject *type = dec_base(Py_TYPE(a));
    type = type ? type : dec_base(Py_TYPE(b));
    type = type ? type : dec_base(Py_TYPE(mod));
    DecState *st = PyModule_GetState(((PyHeapTypeObject *)type)->ht_module);
    PyObject *context = nj_current_context(st);
    if (context == NULL) {
        return NULL;
    }
    NJ_OWN x = NULL;
    NJ_OWN y = NULL;
    NJ_OWN z = NULL;
    int ok = nj_convert(st, context, a, &x);
    if (ok > 0) {
        ok = nj_convert(st, context, b, &y);
    }
    if (ok > 0) {
        ok = nj_convert(st, context, mod, &z);
    }
    if (ok <= 0) {
        return ok < 0 ? NULL : Py_NewRef(Py_NotImplemented);
    }
    return nj_power(st, x, y, z, context);
}

static int
number_bool(PyObject *v)
{
    return !mpd_iszero(MPD(v));
}

static PyObject *
number_int(PyObject *v)
{
    return nj_dec_as_int(v, MPD_ROUND_DOWN);
}

/* ---- comparison ---------------------------------------------------------------------- */

/* Compares with numerator / denominator: *a becomes v * denominator, *b the numerator. */
static int
rational_operands(DecState *st, PyObject *context, PyObject *v, PyObject *w, PyObject **a,
                  PyObject **b)
{
    NJ_OWN num = PyObject_GetAttrString(w, "numerator");
    NJ_OWN den = num ? PyObject_GetAttrString(w, "denominator") : NULL;
    NJ_OWN d = NULL;
    if (den == NULL || nj_convert_or_raise(st, context, num, b) < 0 ||
        nj_convert_or_raise(st, context, den, &d) < 0) {
        return -1;
    }
    if (mpd_isspecial(MPD(v))) {
        *a = Py_NewRef(v);
        return 1;
    }
    uint32_t status = 0;
    mpd_context_t max;
    mpd_maxcontext(&max);
    *a = nj_dec_alloc(st, st->dec_type);
    if (*a == NULL) {
        return -1;
    }
    /* exact, as far as there is room; so large an exponent stays */
    mpd_ssize_t exp = MPD(v)->exp;
    mpd_qcopy(MPD(*a), MPD(v), &status);
    MPD(*a)->exp = 0;
    mpd_qmul(MPD(*a), MPD(*a), MPD(d), &max, &status);
    MPD(*a)->exp = exp;
    return add_status(st, context, status & MPD_Errors) < 0 ? -1 : 1;
}

/* Finds Decimals to compare v and w by: 1; 0 if there are none; -1. */
static int
comparison_operands(DecState *st, PyObject *context, PyObject *v, PyObject *w, int op,
                    PyObject **a, PyObject **b)
{
    bool equality = op == Py_EQ || op == Py_NE;
    NJ_OWN real = NULL;
    if (PyComplex_Check(w) && equality) {
        Py_complex c = PyComplex_AsCComplex(w);
        if (c.real == -1.0 && PyErr_Occurred()) {
            return -1;
        }
        if (c.imag != 0.0) {
            return 0;
        }
        real = PyFloat_FromDouble(c.real);
        if (real == NULL) {
            return -1;
        }
        w = real;
    }
    if (PyFloat_Check(w)) {
        if (equality) { /* not an error there, even if trapped */
            CTX(context)->status |= MPD_Float_operation;
        }
        else if (add_status(st, context, MPD_Float_operation) < 0) {
            return -1;
        }
        *b = nj_dec_from_float(st, st->dec_type, w, context, true);
        *a = Py_NewRef(v);
        return *b ? 1 : -1;
    }
    int r = PyObject_IsInstance(w, st->rational);
    return r <= 0 ? r : rational_operands(st, context, v, w, a, b);
}

static PyObject *
compare_values(DecState *st, PyObject *context, const mpd_t *a, const mpd_t *b, int op)
{
    uint32_t status = 0;
    int r = mpd_qcmp(a, b, &status);
    if (r == INT_MAX) {
        /* Unordered: quiet NaNs are just unequal, everything else is invalid. */
        bool signal = mpd_issnan(a) || mpd_issnan(b) || (op != Py_EQ && op != Py_NE);
        if (signal && add_status(st, context, status) < 0) {
            return NULL;
        }
        return PyBool_FromLong(op == Py_NE);
    }
    Py_RETURN_RICHCOMPARE(r, 0, op);
}

static PyObject *
dec_richcompare(PyObject *v, PyObject *w, int op)
{
    DecState *st = state_of(v);
    PyObject *current = nj_current_context(st);
    Operand y;
    if (current == NULL) {
        return NULL;
    }
    int ok = get_operand(st, current, w, &y);
    if (ok > 0) {
        PyObject *r = compare_values(st, current, MPD(v), y.v, op);
        drop_operand(&y);
        return r;
    }
    if (ok < 0) {
        return NULL;
    }
    NJ_OWN context = Py_NewRef(current); /* code of w may run */
    NJ_OWN a = NULL;
    NJ_OWN b = NULL;
    ok = comparison_operands(st, context, v, w, op, &a, &b);
    if (ok <= 0) {
        return ok < 0 ? NULL : Py_NewRef(Py_NotImplemented);
    }
    return compare_values(st, context, MPD(a), MPD(b), op);
}

/* ---- hash ---------------------------------------------------------------------------- */

/* Modulo the prime that the hashes of all numbers are computed by, 2 ** 61 - 1. */
static inline uint64_t
mul_mod(uint64_t a, uint64_t b)
{
    unsigned __int128 x = (unsigned __int128)a * b;
    uint64_t r = (uint64_t)(x & PyHASH_MODULUS) + (uint64_t)(x >> PyHASH_BITS);
    return r >= PyHASH_MODULUS ? r - PyHASH_MODULUS : r;
}

/* 10 * TENTH is 1 there. */
#define TENTH UINT64_C(2075258708292324556)
_Static_assert((unsigned __int128)10 * TENTH % PyHASH_MODULUS == 1, "TENTH");

static uint64_t
pow_mod(uint64_t base, uint64_t exp)
{
    uint64_t r = 1;
    for (; exp; exp >>= 1) {
        if (exp & 1) {
            r = mul_mod(r, base);
        }
        base = mul_mod(base, base);
    }
    return r;
}

static Py_hash_t
hash_of(PyObject *op)
{
    const mpd_t *d = MPD(op);
    if (mpd_isspecial(d)) {
        if (mpd_issnan(d)) {
            PyErr_SetString(PyExc_TypeError, "Cannot hash a signaling NaN value");
            return -1;
        }
        if (mpd_isnan(d)) {
            return PyObject_GenericHash(op);
        }
        return mpd_isnegative(d) ? -PyHASH_INF : PyHASH_INF;
    }
    uint64_t h = 0;
    for (mpd_ssize_t i = d->len - 1; i >= 0; i--) {
        h = (mul_mod(h, MPD_RADIX % PyHASH_MODULUS) + d->data[i] % PyHASH_MODULUS) %
            PyHASH_MODULUS;
    }
    if (h && d->exp) {
        h = mul_mod(h, d->exp < 0 ? pow_mod(TENTH, (uint64_t)-d->exp)
                                  : pow_mod(10, (uint64_t)d->exp));
    }
    Py_hash_t r = mpd_isnegative(d) ? -(Py_hash_t)h : (Py_hash_t)h;
    return r == -1 ? -2 : r;
}

static Py_hash_t
dec_hash(PyObject *op)
{
    Dec *d = (Dec *)op;
    if (d->hash == -1) {
        d->hash = hash_of(op);
    }
    return d->hash;
}

/* ---- text and attributes ------------------------------------------------------------- */

static PyObject *
dec_str(PyObject *v)
{
    PyObject *context = nj_current_context(state_of(v));
    return context ? nj_dec_text(v, context, false) : NULL;
}

static PyObject *
dec_repr(PyObject *v)
{
    PyObject *context = nj_current_context(state_of(v));
    return context ? nj_dec_text_in(v, context, "Decimal('", "')") : NULL;
}

static PyObject *
dec_get_real(PyObject *v, void *closure)
{
    return Py_NewRef(v);
}

static PyObject *
dec_get_imag(PyObject *v, void *closure)
{
    DecState *st = state_of(v);
    PyObject *context = nj_current_context(st);
    return context ? nj_dec_from_object(st, st->dec_type, NULL, context, true) : NULL;
}

static PyGetSetDef dec_getset[] = {
    {"real", dec_get_real, NULL, NULL, NULL},
    {"imag", dec_get_imag, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(dec_doc,
"Decimal(value=\"0\", context=None)\n--\n\n"
"A decimal number of the value of an int, a str, a float, a tuple or a Decimal.\n\n"
"The conversion is exact whatever the precision of the context is: that is asked\n"
"only whether an invalid operation is trapped.");

static PyType_Slot dec_slots[] = {
    {Py_tp_doc, (void *)dec_doc},
    {Py_tp_new, dec_new},
    {Py_tp_vectorcall, nj_dec_vectorcall},
    {Py_tp_dealloc, nj_dec_dealloc},
    {Py_tp_repr, dec_repr},
    {Py_tp_str, dec_str},
    {Py_tp_hash, dec_hash},
    {Py_tp_richcompare, dec_richcompare},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_methods, nj_dec_methods},
    {Py_tp_getset, dec_getset},
    {Py_nb_add, number_add},
    {Py_nb_subtract, number_subtract},
    {Py_nb_multiply, number_multiply},
    {Py_nb_remainder, number_remainder},
    {Py_nb_divmod, number_divmod},
    {Py_nb_power, number_power},
    {Py_nb_negative, number_negative},
    {Py_nb_positive, number_positive},
    {Py_nb_absolute, number_absolute},
    {Py_nb_bool, number_bool},
    {Py_nb_int, number_int},
    {Py_nb_float, nj_dec_as_float},
    {Py_nb_floor_divide, number_floor_divide},
    {Py_nb_true_divide, number_divide},
    {0, NULL},
};

PyType_Spec nj_dec_spec = {
    .name = "decimal.Decimal",
    .basicsize = sizeof(Dec),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = dec_slots,
};

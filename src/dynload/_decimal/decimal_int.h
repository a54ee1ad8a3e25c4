/* decimal_int.h - what the files of the module _decimal share.
 *
 * The arithmetic is libmpdec's, through its quiet functions: each collects conditions in
 * a status word, which add_status() enters into the flags of the context and turns into
 * an exception if one of them is trapped.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_DYNLOAD_DECIMAL_INT_H
#define NJ_DYNLOAD_DECIMAL_INT_H

#include "nj.h"

#include <mpdecimal.h>

/* The flag of FloatOperation: libmpdec sets this bit nowhere. */
#define MPD_Float_operation MPD_Not_implemented

enum { DATA_WORDS = 4 };

typedef struct Dec {
    PyObject_HEAD
    Py_hash_t hash; /* -1: unknown */
    mpd_t dec;
    mpd_uint_t data[DATA_WORDS]; /* of a small coefficient */
} Dec;

typedef struct Context {
    PyObject_HEAD
    mpd_context_t ctx;
    PyObject *traps, *flags; /* SignalDict, views of ctx */
    int capitals;
} Context;

typedef struct SignalDict {
    PyObject_HEAD
    uint32_t *flags; /* in a context; NULL when that is gone */
} SignalDict;

enum { NSIGNALS = 9, NCONDITIONS = 5 };

typedef struct Signal {
    const char *name;
    uint32_t flag; /* conditions that raise it */
} Signal;

extern const Signal nj_signals[NSIGNALS];
extern const Signal nj_conditions[NCONDITIONS];

typedef struct DecState {
    PyTypeObject *dec_type, *context_type, *manager_type, *signal_mixin;
    PyObject *signal_dict; /* class */
    PyObject *exceptions[NSIGNALS], *conditions[NCONDITIONS];
    PyObject *decimal_exception;
    PyObject *dec_tuple, *rational;
    PyObject *default_context, *basic_context, *extended_context;
    PyObject *context_var;
    PyObject *rounding[MPD_ROUND_GUARD];
    PyObject *gcd; /* math.gcd, once needed */
} DecState;

extern struct PyModuleDef nj_decimal_module;

static inline DecState *
dec_state(PyTypeObject *tp)
{
    return PyModule_GetState(PyType_GetModuleByDef(tp, &nj_decimal_module));
}

#define MPD(op) (&((Dec *)(op))->dec)
#define CONTEXT(op) ((Context *)(op))
#define CTX(op) (&((Context *)(op))->ctx)
#define IS_DEC(st, op) PyObject_TypeCheck(op, (st)->dec_type)
#define IS_CONTEXT(st, op) PyObject_TypeCheck(op, (st)->context_type)

/* Arguments of a function with FASTCALL and KEYWORDS, min to max of them (at most 4, all
 * objects): borrowed, NULL when not given. What is wrong with them is said by
 * PyArg_ParseTupleAndKeywords with this format. */
NJ_MUST int nj_args_slow(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                         const char *format, char *const *keywords, int min, int max,
                         PyObject **out);
static inline NJ_MUST int
parse_args(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *format,
           char *const *keywords, int min, int max, PyObject **out)
{
    if (NJ_LIKELY(kwnames == NULL && nargs >= min && nargs <= max)) {
        for (int i = 0; i < max; i++) {
            out[i] = i < nargs ? args[i] : NULL;
        }
        return 0;
    }
    return nj_args_slow(args, nargs, kwnames, format, keywords, min, max, out);
}

/* ---- context.c ----------------------------------------------------------------------- */

extern PyType_Spec nj_context_spec, nj_manager_spec, nj_signal_spec;
extern PyMethodDef nj_context_methods[]; /* ctxmethods.c */
PyObject *nj_context_copy(PyObject *op, PyObject *unused);
PyObject *nj_context_reduce(PyObject *op, PyObject *unused);
PyObject *nj_context_clear_traps(PyObject *op, PyObject *unused);
PyObject *nj_context_clear_flags(PyObject *op, PyObject *unused);
PyObject *nj_context_etiny(PyObject *op, PyObject *unused);
PyObject *nj_context_etop(PyObject *op, PyObject *unused);

/* The context of the running code: borrowed (the context variable owns it). */
NJ_MUST PyObject *nj_current_context(DecState *st);
/* Enters conditions into the flags: 0, or -1 with an exception for trapped ones. */
NJ_MUST int nj_add_status_slow(DecState *st, PyObject *context, uint32_t status);
static inline NJ_MUST int
add_status(DecState *st, PyObject *context, uint32_t status)
{
    return NJ_LIKELY(status == 0) ? 0 : nj_add_status_slow(st, context, status);
}
NJ_MUST PyObject *nj_copy_context(DecState *st, PyObject *context);
/* A new context with the values of the default; for module start-up. */
NJ_MUST PyObject *nj_new_context(DecState *st, PyTypeObject *type);
/* An optional argument: *context is borrowed, the current one for NULL and None. */
NJ_MUST int nj_context_arg(DecState *st, PyObject *arg, PyObject **context);
/* The rounding of a str argument: -1 with an exception. */
NJ_MUST int nj_rounding_arg(DecState *st, PyObject *arg);
NJ_MUST PyObject *nj_getcontext(PyObject *m, PyObject *unused);
NJ_MUST PyObject *nj_setcontext(PyObject *m, PyObject *context);
NJ_MUST PyObject *nj_localcontext(PyObject *m, PyObject *args, PyObject *kwargs);
NJ_MUST PyObject *nj_ieee_context(PyObject *m, PyObject *bits);

/* ---- convert.c ----------------------------------------------------------------------- */

NJ_MUST PyObject *nj_dec_alloc(DecState *st, PyTypeObject *type);
/* Converts to a Decimal, exactly: a new reference. 1; 0 if the type does not fit (no
 * exception); -1. */
NJ_MUST int nj_convert(DecState *st, PyObject *context, PyObject *v, PyObject **out);
/* The same, TypeError for other types. */
NJ_MUST int nj_convert_or_raise(DecState *st, PyObject *context, PyObject *v,
                                PyObject **out);
/* From any accepted type: exactly, or rounded to the context. */
NJ_MUST PyObject *nj_dec_from_object(DecState *st, PyTypeObject *type, PyObject *v,
                                     PyObject *context, bool exact);
NJ_MUST PyObject *nj_dec_from_float(DecState *st, PyTypeObject *type, PyObject *v,
                                    PyObject *context, bool exact);
NJ_MUST PyObject *nj_dec_apply(DecState *st, PyObject *v, PyObject *context);
/* The int nearest in a direction of rounding. */
NJ_MUST PyObject *nj_dec_as_int(PyObject *v, int rounding);
NJ_MUST PyObject *nj_dec_as_float(PyObject *v);
NJ_MUST PyObject *nj_as_integer_ratio(PyObject *v, PyObject *unused);
NJ_MUST PyObject *nj_as_tuple(PyObject *v, PyObject *unused);
/* The text between prefix and suffix. */
NJ_MUST PyObject *nj_dec_text_in(PyObject *v, PyObject *context, const char *prefix,
                                 const char *suffix);
NJ_MUST PyObject *nj_dec_text(PyObject *v, PyObject *context, bool engineering);
NJ_MUST PyObject *nj_number_class(PyObject *v, PyObject *context);

/* ---- bigint.c ------------------------------------------------------------------------ */

/* The int of a coefficient. */
NJ_MUST PyObject *nj_int_of_words(mpd_uint_t *words, mpd_ssize_t n);
/* Sets out to the digits of an int in base, exactly. */
void nj_set_digits(mpd_t *out, const uint32_t *digits, size_t n, bool negative,
                   uint32_t base, uint32_t *status);

/* ---- decimal.c ----------------------------------------------------------------------- */

extern PyType_Spec nj_dec_spec;
extern PyMethodDef nj_dec_methods[]; /* decmethods.c */

void nj_dec_dealloc(PyObject *op);

/* The class Decimal that type derives from, or NULL. Decimal lays out its instances, so
 * it is among the first bases. */
static inline PyTypeObject *
dec_base(PyTypeObject *type)
{
    while (type && type->tp_dealloc != nj_dec_dealloc) {
        type = type->tp_base;
    }
    return type;
}

/* The state that a Decimal belongs to. */
static inline DecState *
state_of(PyObject *op)
{
    PyTypeObject *type = dec_base(Py_TYPE(op));
    return PyModule_GetState(((PyHeapTypeObject *)type)->ht_module);
}

NJ_MUST PyObject *nj_dec_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                                    PyObject *kwnames);
NJ_MUST PyObject *nj_to_integral(DecState *st, PyObject *v, PyObject *context, int rounding,
                                 bool exact);

typedef void UnaryFunc(mpd_t *, const mpd_t *, const mpd_context_t *, uint32_t *);
typedef void BinaryFunc(mpd_t *, const mpd_t *, const mpd_t *, const mpd_context_t *,
                        uint32_t *);
NJ_MUST PyObject *nj_unary(DecState *st, UnaryFunc *f, PyObject *v, PyObject *context);
/* Operands of these are Decimals already. */
NJ_MUST PyObject *nj_binary(DecState *st, BinaryFunc *f, PyObject *a, PyObject *b,
                            PyObject *context);
NJ_MUST PyObject *nj_divmod(DecState *st, PyObject *a, PyObject *b, PyObject *context);
NJ_MUST PyObject *nj_power(DecState *st, PyObject *a, PyObject *b, PyObject *mod,
                           PyObject *context);
NJ_MUST PyObject *nj_fma(DecState *st, PyObject *a, PyObject *b, PyObject *c,
                         PyObject *context);

/* Adapters for the functions of libmpdec that return a value. */
void nj_compare_func(mpd_t *r, const mpd_t *a, const mpd_t *b, const mpd_context_t *ctx,
                     uint32_t *status);
void nj_compare_signal_func(mpd_t *r, const mpd_t *a, const mpd_t *b,
                            const mpd_context_t *ctx, uint32_t *status);
void nj_compare_total_func(mpd_t *r, const mpd_t *a, const mpd_t *b,
                           const mpd_context_t *ctx, uint32_t *status);
void nj_compare_total_mag_func(mpd_t *r, const mpd_t *a, const mpd_t *b,
                               const mpd_context_t *ctx, uint32_t *status);
void nj_copy_sign_func(mpd_t *r, const mpd_t *a, const mpd_t *b, const mpd_context_t *ctx,
                       uint32_t *status);
void nj_copy_abs_func(mpd_t *r, const mpd_t *a, const mpd_context_t *ctx, uint32_t *status);
void nj_copy_negate_func(mpd_t *r, const mpd_t *a, const mpd_context_t *ctx,
                         uint32_t *status);

/* ---- format.c ------------------------------------------------------------------------ */

NJ_MUST PyObject *nj_dec_format(PyObject *v, PyObject *const *args, Py_ssize_t nargs);

#endif

/* context.c - decimal.Context, its signal dicts, the current context.
 *
 * The current context is the value of a context variable. SignalDict is a class made of a
 * mixin written here and collections.abc.MutableMapping, as in the reference.
 * SPDX-License-Identifier: MIT
 */
#include "decimal_int.h"

const Signal nj_signals[NSIGNALS] = {
    {"InvalidOperation", MPD_IEEE_Invalid_operation},
    {"FloatOperation", MPD_Float_operation},
    {"DivisionByZero", MPD_Division_by_zero},
    {"Overflow", MPD_Overflow},
    {"Underflow", MPD_Underflow},
    {"Subnormal", MPD_Subnormal},
    {"Inexact", MPD_Inexact},
    {"Rounded", MPD_Rounded},
    {"Clamped", MPD_Clamped},
};

/* What InvalidOperation may have been in detail. */
const Signal nj_conditions[NCONDITIONS] = {
    {"InvalidOperation", MPD_Invalid_operation},
    {"ConversionSyntax", MPD_Conversion_syntax},
    {"DivisionImpossible", MPD_Division_impossible},
    {"DivisionUndefined", MPD_Division_undefined},
    {"InvalidContext", MPD_Invalid_context},
};

static const char invalid_signals[] =
    "valid values for signals are:\n"
    "  [InvalidOperation, FloatOperation, DivisionByZero,\n"
    "   Overflow, Underflow, Subnormal, Inexact, Rounded,\n"
    "   Clamped]";
static const char invalid_rounding[] =
    "valid values for rounding are:\n"
    "  [ROUND_CEILING, ROUND_FLOOR, ROUND_UP, ROUND_DOWN,\n"
    "   ROUND_HALF_UP, ROUND_HALF_DOWN, ROUND_HALF_EVEN,\n"
    "   ROUND_05UP]";

/* ---- status -------------------------------------------------------------------------- */

static int
append_all(PyObject *list, const Signal *table, PyObject *const *objects, int from, int n,
           uint32_t flags)
{
    for (int i = from; i < n; i++) {
        if ((flags & table[i].flag) && PyList_Append(list, objects[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The exceptions of flags as a list, InvalidOperation in detail. */
static PyObject *
flags_as_list(DecState *st, uint32_t flags)
{
    NJ_OWN list = PyList_New(0);
    if (list == NULL ||
        append_all(list, nj_conditions, st->conditions, 0, NCONDITIONS, flags) < 0 ||
        append_all(list, nj_signals, st->exceptions, 1, NSIGNALS, flags) < 0) {
        return NULL;
    }
    return NJ_TAKE(list);
}

/* The signals of flags as a list. */
static PyObject *
signals_as_list(DecState *st, uint32_t flags)
{
    NJ_OWN list = PyList_New(0);
    return list && append_all(list, nj_signals, st->exceptions, 0, NSIGNALS, flags) == 0
               ? NJ_TAKE(list)
               : NULL;
}

int
nj_add_status_slow(DecState *st, PyObject *context, uint32_t status)
{
    mpd_context_t *ctx = CTX(context);
    ctx->status |= status;
    if (!(status & (ctx->traps | MPD_Malloc_error))) {
        return 0;
    }
    if (status & MPD_Malloc_error) {
        PyErr_NoMemory();
        return -1;
    }
    uint32_t trapped = ctx->traps & status;
    for (int i = 0; i < NSIGNALS; i++) {
        if (trapped & nj_signals[i].flag) {
            NJ_OWN list = flags_as_list(st, trapped);
            if (list) {
                PyErr_SetObject(st->exceptions[i], list);
            }
            return -1;
        }
    }
    PyErr_SetString(PyExc_RuntimeError, "unknown signal");
    return -1;
}

/* The flag of a signal class: 0 with an exception. */
static uint32_t
signal_flag(DecState *st, PyObject *signal)
{
    for (int i = 0; i < NSIGNALS; i++) {
        if (st->exceptions[i] == signal) {
            return nj_signals[i].flag;
        }
    }
    PyErr_SetString(PyExc_KeyError, invalid_signals);
    return 0;
}

static int
flags_from_list(DecState *st, PyObject *list, uint32_t *out)
{
    uint32_t flags = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        uint32_t f = signal_flag(st, PyList_GET_ITEM(list, i));
        if (f == 0) {
            return -1;
        }
        flags |= f;
    }
    *out = flags;
    return 0;
}

/* {signal: truth} with exactly the nine signals. */
static int
flags_from_dict(DecState *st, PyObject *dict, uint32_t *out)
{
    uint32_t flags = 0;
    if (PyDict_GET_SIZE(dict) != NSIGNALS) {
        PyErr_SetString(PyExc_KeyError, "invalid signal dict");
        return -1;
    }
    for (int i = 0; i < NSIGNALS; i++) {
        NJ_OWN value = NULL;
        int r = PyDict_GetItemRef(dict, st->exceptions[i], &value);
        if (r <= 0) {
            if (r == 0) {
                PyErr_SetString(PyExc_KeyError, "invalid signal dict");
            }
            return -1;
        }
        r = PyObject_IsTrue(value);
        if (r < 0) {
            return -1;
        }
        if (r) {
            flags |= nj_signals[i].flag;
        }
    }
    *out = flags;
    return 0;
}

/* ---- SignalDict ---------------------------------------------------------------------- */

#define SD(op) ((SignalDict *)(op))

static int
check_signal_dict(PyObject *op)
{
    if (SD(op)->flags == NULL) {
        PyErr_SetString(PyExc_ValueError, "invalid signal dict");
        return -1;
    }
    return 0;
}

static int
signals_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    SD(op)->flags = NULL;
    return 0;
}

static Py_ssize_t
signals_len(PyObject *op)
{
    return check_signal_dict(op) < 0 ? -1 : NSIGNALS;
}

static PyObject *
signals_iter(PyObject *op)
{
    if (check_signal_dict(op) < 0) {
        return NULL;
    }
    DecState *st = dec_state(Py_TYPE(op));
    NJ_OWN all = signals_as_list(st, UINT32_MAX);
    NJ_OWN tuple = all ? PyList_AsTuple(all) : NULL;
    return tuple ? PyObject_GetIter(tuple) : NULL;
}

static PyObject *
signals_getitem(PyObject *op, PyObject *key)
{
    if (check_signal_dict(op) < 0) {
        return NULL;
    }
    uint32_t flag = signal_flag(dec_state(Py_TYPE(op)), key);
    return flag ? PyBool_FromLong((*SD(op)->flags & flag) != 0) : NULL;
}

static int
signals_setitem(PyObject *op, PyObject *key, PyObject *value)
{
    if (check_signal_dict(op) < 0) {
        return -1;
    }
    if (value == NULL) {
        PyErr_SetString(PyExc_ValueError, "signal keys cannot be deleted");
        return -1;
    }
    uint32_t flag = signal_flag(dec_state(Py_TYPE(op)), key);
    int truth = flag ? PyObject_IsTrue(value) : -1;
    if (truth < 0) {
        return -1;
    }
    if (truth) {
        *SD(op)->flags |= flag;
    }
    else {
        *SD(op)->flags &= ~flag;
    }
    return 0;
}

static PyObject *
signals_repr(PyObject *op)
{
    if (check_signal_dict(op) < 0) {
        return NULL;
    }
    DecState *st = dec_state(Py_TYPE(op));
    NJ_OWN text = PyUnicode_FromString("{");
    for (int i = 0; text && i < NSIGNALS; i++) {
        NJ_SET(text, PyUnicode_FromFormat("%U%s%R:%s", text, i ? ", " : "",
                                          st->exceptions[i],
                                          *SD(op)->flags & nj_signals[i].flag ? "True"
                                                                              : "False"));
    }
    return text ? PyUnicode_FromFormat("%U}", text) : NULL;
}

static PyObject *
signals_richcompare(PyObject *a, PyObject *b, int op)
{
    if (check_signal_dict(a) < 0) {
        return NULL;
    }
    DecState *st = dec_state(Py_TYPE(a));
    if (op != Py_EQ && op != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    uint32_t flags;
    if (PyObject_TypeCheck(b, st->signal_mixin)) {
        if (check_signal_dict(b) < 0) {
            return NULL;
        }
        flags = *SD(b)->flags;
    }
    else if (PyDict_Check(b)) {
        if (flags_from_dict(st, b, &flags) < 0) {
            PyErr_Clear();
            Py_RETURN_NOTIMPLEMENTED;
        }
    }
    else {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return PyBool_FromLong((*SD(a)->flags == flags) == (op == Py_EQ));
}

static PyObject *
signals_copy(PyObject *op, PyObject *unused)
{
    if (check_signal_dict(op) < 0) {
        return NULL;
    }
    DecState *st = dec_state(Py_TYPE(op));
    NJ_OWN dict = PyDict_New();
    for (int i = 0; dict && i < NSIGNALS; i++) {
        PyObject *v = *SD(op)->flags & nj_signals[i].flag ? Py_True : Py_False;
        if (PyDict_SetItem(dict, st->exceptions[i], v) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(dict);
}

static PyMethodDef signals_methods[] = {
    {"copy", signals_copy, METH_NOARGS, "A dict of the signals."},
    {NULL, NULL, 0, NULL},
};

static int
signals_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
signals_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyType_Slot signals_slots[] = {
    {Py_tp_dealloc, signals_dealloc},
    {Py_tp_traverse, signals_traverse},
    {Py_tp_repr, signals_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_richcompare, signals_richcompare},
    {Py_tp_iter, signals_iter},
    {Py_tp_methods, signals_methods},
    {Py_tp_init, signals_init},
    {Py_mp_length, signals_len},
    {Py_mp_subscript, signals_getitem},
    {Py_mp_ass_subscript, signals_setitem},
    {0, NULL},
};

PyType_Spec nj_signal_spec = {
    .name = "decimal.SignalDictMixin",
    .basicsize = sizeof(SignalDict),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = signals_slots,
};

/* ---- Context: values ----------------------------------------------------------------- */

#define GETTER(name, expr)                                                             \
    static PyObject *context_get_##name(PyObject *op, void *closure)                   \
    {                                                                                  \
        return expr;                                                                   \
    }

GETTER(prec, PyLong_FromSsize_t(mpd_getprec(CTX(op))))
GETTER(Emax, PyLong_FromSsize_t(mpd_getemax(CTX(op))))
GETTER(Emin, PyLong_FromSsize_t(mpd_getemin(CTX(op))))
GETTER(capitals, PyLong_FromLong(CONTEXT(op)->capitals))
GETTER(clamp, PyLong_FromLong(mpd_getclamp(CTX(op))))
GETTER(rounding, Py_NewRef(dec_state(Py_TYPE(op))->rounding[mpd_getround(CTX(op))]))

static int
ssize_value(PyObject *value, mpd_ssize_t *out)
{
    *out = PyLong_AsSsize_t(value);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static NJ_COLD int
raise_value(const char *text)
{
    PyErr_SetString(PyExc_ValueError, text);
    return -1;
}

static int
context_set_prec(PyObject *op, PyObject *value, void *closure)
{
    mpd_ssize_t v;
    if (ssize_value(value, &v) < 0) {
        return -1;
    }
    return mpd_qsetprec(CTX(op), v) ? 0
                                    : raise_value("valid range for prec is [1, MAX_PREC]");
}

static int
context_set_Emin(PyObject *op, PyObject *value, void *closure)
{
    mpd_ssize_t v;
    if (ssize_value(value, &v) < 0) {
        return -1;
    }
    return mpd_qsetemin(CTX(op), v) ? 0
                                    : raise_value("valid range for Emin is [MIN_EMIN, 0]");
}

static int
context_set_Emax(PyObject *op, PyObject *value, void *closure)
{
    mpd_ssize_t v;
    if (ssize_value(value, &v) < 0) {
        return -1;
    }
    return mpd_qsetemax(CTX(op), v) ? 0
                                    : raise_value("valid range for Emax is [0, MAX_EMAX]");
}

static int
context_set_capitals(PyObject *op, PyObject *value, void *closure)
{
    mpd_ssize_t v;
    if (ssize_value(value, &v) < 0) {
        return -1;
    }
    if (v != 0 && v != 1) {
        return raise_value("valid values for capitals are 0 or 1");
    }
    CONTEXT(op)->capitals = (int)v;
    return 0;
}

static int
context_set_clamp(PyObject *op, PyObject *value, void *closure)
{
    mpd_ssize_t v;
    if (ssize_value(value, &v) < 0) {
        return -1;
    }
    if (v != 0 && v != 1) {
        return raise_value("valid values for clamp are 0 or 1");
    }
    CTX(op)->clamp = (int)v;
    return 0;
}

int
nj_rounding_arg(DecState *st, PyObject *arg)
{
    if (PyUnicode_Check(arg)) {
        for (int i = 0; i < MPD_ROUND_GUARD; i++) {
            if (st->rounding[i] == arg) {
                return i;
            }
        }
        for (int i = 0; i < MPD_ROUND_GUARD; i++) {
            if (st->rounding[i] && PyUnicode_Compare(arg, st->rounding[i]) == 0) {
                return i;
            }
        }
    }
    PyErr_SetString(PyExc_TypeError, invalid_rounding);
    return -1;
}

static int
context_set_rounding(PyObject *op, PyObject *value, void *closure)
{
    int v = nj_rounding_arg(dec_state(Py_TYPE(op)), value);
    if (v < 0) {
        return -1;
    }
    CTX(op)->round = v;
    return 0;
}

/* flags or traps given as a signal dict or a dict. */
static int
set_flag_word(DecState *st, uint32_t *word, PyObject *value)
{
    uint32_t flags;
    if (PyObject_TypeCheck(value, st->signal_mixin)) {
        if (check_signal_dict(value) < 0) {
            return -1;
        }
        flags = *SD(value)->flags;
    }
    else if (PyDict_Check(value)) {
        if (flags_from_dict(st, value, &flags) < 0) {
            return -1;
        }
    }
    else {
        PyErr_SetString(PyExc_TypeError, "argument must be a signal dict");
        return -1;
    }
    *word = flags;
    return 0;
}

/* The same, or a list of signals. */
static int
set_flag_word_any(DecState *st, uint32_t *word, PyObject *value)
{
    return PyList_Check(value) ? flags_from_list(st, value, word)
                               : set_flag_word(st, word, value);
}

static PyObject *
context_getattro(PyObject *op, PyObject *name)
{
    if (PyUnicode_Check(name) && PyUnicode_GET_LENGTH(name) == 5) {
        if (PyUnicode_EqualToUTF8(name, "traps")) {
            return Py_NewRef(CONTEXT(op)->traps);
        }
        if (PyUnicode_EqualToUTF8(name, "flags")) {
            return Py_NewRef(CONTEXT(op)->flags);
        }
    }
    return PyObject_GenericGetAttr(op, name);
}

static int
context_setattro(PyObject *op, PyObject *name, PyObject *value)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "context attributes cannot be deleted");
        return -1;
    }
    if (PyUnicode_Check(name) && PyUnicode_GET_LENGTH(name) == 5) {
        DecState *st = dec_state(Py_TYPE(op));
        if (PyUnicode_EqualToUTF8(name, "traps")) {
            return set_flag_word(st, &CTX(op)->traps, value);
        }
        if (PyUnicode_EqualToUTF8(name, "flags")) {
            return set_flag_word(st, &CTX(op)->status, value);
        }
    }
    return PyObject_GenericSetAttr(op, name, value);
}

static PyGetSetDef context_getset[] = {
    {"prec", context_get_prec, context_set_prec, NULL, NULL},
    {"Emax", context_get_Emax, context_set_Emax, NULL, NULL},
    {"Emin", context_get_Emin, context_set_Emin, NULL, NULL},
    {"rounding", context_get_rounding, context_set_rounding, NULL, NULL},
    {"capitals", context_get_capitals, context_set_capitals, NULL, NULL},
    {"clamp", context_get_clamp, context_set_clamp, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- Context: life ------------------------------------------------------------------- */

PyObject *
nj_new_context(DecState *st, PyTypeObject *type)
{
    Context *c = CONTEXT(type->tp_alloc(type, 0));
    if (c == NULL) {
        return NULL;
    }
    if (st->default_context) {
        c->ctx = *CTX(st->default_context);
        c->capitals = CONTEXT(st->default_context)->capitals;
    }
    else {
        mpd_maxcontext(&c->ctx);
        c->ctx.prec = 28;
        c->ctx.emax = 999999;
        c->ctx.emin = -999999;
        c->ctx.round = MPD_ROUND_HALF_EVEN;
        c->ctx.traps = MPD_IEEE_Invalid_operation | MPD_Division_by_zero | MPD_Overflow;
        c->capitals = 1;
    }
    c->ctx.status = 0;
    c->ctx.newtrap = 0;
    c->traps = PyObject_CallNoArgs(st->signal_dict);
    c->flags = c->traps ? PyObject_CallNoArgs(st->signal_dict) : NULL;
    if (c->flags == NULL) {
        Py_DECREF(c);
        return NULL;
    }
    SD(c->traps)->flags = &c->ctx.traps;
    SD(c->flags)->flags = &c->ctx.status;
    return (PyObject *)c;
}

static PyObject *
context_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return nj_new_context(dec_state(type), type);
}

static int
context_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(CONTEXT(op)->traps);
    Py_VISIT(CONTEXT(op)->flags);
    return 0;
}

static int
context_clear(PyObject *op)
{
    Context *c = CONTEXT(op);
    /* the dicts may live on */
    if (c->traps) {
        SD(c->traps)->flags = NULL;
    }
    if (c->flags) {
        SD(c->flags)->flags = NULL;
    }
    Py_CLEAR(c->traps);
    Py_CLEAR(c->flags);
    return 0;
}

static void
context_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)context_clear(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

/* Sets what is given and not None. */
static int
set_values(DecState *st, PyObject *op, PyObject *const v[8])
{
    static const setter setters[6] = {context_set_prec,     context_set_rounding,
                                      context_set_Emin,     context_set_Emax,
                                      context_set_capitals, context_set_clamp};
    for (int i = 0; i < 6; i++) {
        if (v[i] != Py_None && setters[i](op, v[i], NULL) < 0) {
            return -1;
        }
    }
    if (v[7] != Py_None && set_flag_word_any(st, &CTX(op)->traps, v[7]) < 0) {
        return -1;
    }
    return v[6] != Py_None ? set_flag_word_any(st, &CTX(op)->status, v[6]) : 0;
}

static int
context_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"prec",  "rounding", "Emin",  "Emax", "capitals",
                               "clamp", "flags",    "traps", NULL};
    PyObject *v[8] = {Py_None, Py_None, Py_None, Py_None,
                      Py_None, Py_None, Py_None, Py_None};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOOOOOOO", keywords, &v[0], &v[1],
                                     &v[2], &v[3], &v[4], &v[5], &v[6], &v[7])) {
        return -1;
    }
    return set_values(dec_state(Py_TYPE(op)), op, v);
}

/* "[A, B]" in the order of the bits. */
static PyObject *
flag_names(uint32_t flags)
{
    NJ_OWN text = PyUnicode_FromString("[");
    const char *sep = "";
    uint32_t done = 0;
    for (uint32_t bit = 1; text && bit <= MPD_Underflow; bit <<= 1) {
        if (!(flags & bit & ~done)) {
            continue;
        }
        for (int i = 0; i < NSIGNALS; i++) {
            if (bit & nj_signals[i].flag) {
                NJ_SET(text, PyUnicode_FromFormat("%U%s%s", text, sep, nj_signals[i].name));
                sep = ", ";
                done |= nj_signals[i].flag;
                break;
            }
        }
    }
    return text ? PyUnicode_FromFormat("%U]", text) : NULL;
}

static PyObject *
context_repr(PyObject *op)
{
    const mpd_context_t *ctx = CTX(op);
    NJ_OWN flags = flag_names(ctx->status);
    NJ_OWN traps = flags ? flag_names(ctx->traps) : NULL;
    if (traps == NULL) {
        return NULL;
    }
    return PyUnicode_FromFormat("Context(prec=%zd, rounding=%s, Emin=%zd, Emax=%zd, "
                                "capitals=%d, clamp=%d, flags=%U, traps=%U)",
                                (Py_ssize_t)ctx->prec, mpd_round_string[ctx->round],
                                (Py_ssize_t)ctx->emin, (Py_ssize_t)ctx->emax,
                                CONTEXT(op)->capitals, ctx->clamp, flags, traps);
}

PyObject *
nj_copy_context(DecState *st, PyObject *context)
{
    PyObject *c = nj_new_context(st, st->context_type);
    if (c) {
        CONTEXT(c)->ctx = *CTX(context);
        CTX(c)->newtrap = 0;
        CONTEXT(c)->capitals = CONTEXT(context)->capitals;
    }
    return c;
}

PyObject *
nj_context_copy(PyObject *op, PyObject *unused)
{
    return nj_copy_context(dec_state(Py_TYPE(op)), op);
}

PyObject *
nj_context_reduce(PyObject *op, PyObject *unused)
{
    DecState *st = dec_state(Py_TYPE(op));
    const mpd_context_t *ctx = CTX(op);
    NJ_OWN flags = signals_as_list(st, ctx->status);
    NJ_OWN traps = flags ? signals_as_list(st, ctx->traps) : NULL;
    if (traps == NULL) {
        return NULL;
    }
    return Py_BuildValue("O(nsnniiOO)", Py_TYPE(op), (Py_ssize_t)ctx->prec,
                         mpd_round_string[ctx->round], (Py_ssize_t)ctx->emin,
                         (Py_ssize_t)ctx->emax, CONTEXT(op)->capitals, ctx->clamp, flags,
                         traps);
}

PyObject *
nj_context_clear_traps(PyObject *op, PyObject *unused)
{
    CTX(op)->traps = 0;
    Py_RETURN_NONE;
}

PyObject *
nj_context_clear_flags(PyObject *op, PyObject *unused)
{
    CTX(op)->status = 0;
    Py_RETURN_NONE;
}

PyObject *
nj_context_etiny(PyObject *op, PyObject *unused)
{
    return PyLong_FromSsize_t(mpd_etiny(CTX(op)));
}

PyObject *
nj_context_etop(PyObject *op, PyObject *unused)
{
    return PyLong_FromSsize_t(mpd_etop(CTX(op)));
}

PyDoc_STRVAR(context_doc,
"Context(prec=None, rounding=None, Emin=None, Emax=None, capitals=None, clamp=None,"
" flags=None, traps=None)\n--\n\n"
"What governs arithmetic: precision, rounding, limits of the exponent, which\n"
"signals are trapped and which have occurred.\n\n"
"What is not given is as in DefaultContext; flags start cleared.\n\n"
"    >>> Context(prec=4).divide(Decimal(2), Decimal(3))\n"
"    Decimal('0.6667')\n");

static PyType_Slot context_slots[] = {
    {Py_tp_doc, (void *)context_doc},
    {Py_tp_new, context_new},
    {Py_tp_init, context_init},
    {Py_tp_dealloc, context_dealloc},
    {Py_tp_traverse, context_traverse},
    {Py_tp_clear, context_clear},
    {Py_tp_repr, context_repr},
    {Py_tp_getattro, context_getattro},
    {Py_tp_setattro, context_setattro},
    {Py_tp_methods, nj_context_methods},
    {Py_tp_getset, context_getset},
    {0, NULL},
};

PyType_Spec nj_context_spec = {
    .name = "decimal.Context",
    .basicsize = sizeof(Context),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = context_slots,
};

/* ---- the current context ------------------------------------------------------------- */

static NJ_COLD PyObject *
start_context(DecState *st)
{
    PyObject *c = nj_copy_context(st, st->default_context);
    if (c == NULL) {
        return NULL;
    }
    CTX(c)->status = 0;
    NJ_OWN token = PyContextVar_Set(st->context_var, c);
    Py_DECREF(c);
    return token ? c : NULL; /* the variable owns it */
}

PyObject *
nj_current_context(DecState *st)
{
    PyObject *c;
    if (PyContextVar_Get(st->context_var, NULL, &c) < 0) {
        return NULL;
    }
    if (NJ_UNLIKELY(c == NULL)) {
        return start_context(st);
    }
    Py_DECREF(c); /* the variable owns it */
    return c;
}

int
nj_context_arg(DecState *st, PyObject *arg, PyObject **context)
{
    if (arg == NULL || arg == Py_None) {
        *context = nj_current_context(st);
        return *context ? 0 : -1;
    }
    if (!IS_CONTEXT(st, arg)) {
        PyErr_SetString(PyExc_TypeError, "optional argument must be a context");
        return -1;
    }
    *context = arg;
    return 0;
}

PyObject *
nj_getcontext(PyObject *m, PyObject *unused)
{
    PyObject *c = nj_current_context(PyModule_GetState(m));
    return Py_XNewRef(c);
}

static PyObject *
set_current(DecState *st, PyObject *context)
{
    if (!IS_CONTEXT(st, context)) {
        PyErr_SetString(PyExc_TypeError, "argument must be a context");
        return NULL;
    }
    NJ_OWN c = NULL;
    if (context == st->default_context || context == st->basic_context ||
        context == st->extended_context) {
        c = nj_copy_context(st, context); /* a template is not to be changed */
        if (c == NULL) {
            return NULL;
        }
        CTX(c)->status = 0;
    }
    else {
        c = Py_NewRef(context);
    }
    NJ_OWN token = PyContextVar_Set(st->context_var, c);
    return token ? Py_NewRef(Py_None) : NULL;
}

PyObject *
nj_setcontext(PyObject *m, PyObject *context)
{
    return set_current(PyModule_GetState(m), context);
}

PyObject *
nj_ieee_context(PyObject *m, PyObject *arg)
{
    DecState *st = PyModule_GetState(m);
    Py_ssize_t bits = PyLong_AsSsize_t(arg);
    mpd_context_t ctx;
    if (bits == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (bits <= 0 || bits > INT_MAX || mpd_ieee_context(&ctx, (int)bits) < 0) {
        PyErr_Format(PyExc_ValueError,
                     "argument must be a multiple of 32, with a maximum of %d",
                     MPD_IEEE_CONTEXT_MAX_BITS);
        return NULL;
    }
    PyObject *c = nj_new_context(st, st->context_type);
    if (c) {
        *CTX(c) = ctx;
    }
    return c;
}

/* ---- localcontext -------------------------------------------------------------------- */

typedef struct Manager {
    PyObject_HEAD
    PyObject *local, *global;
} Manager;

#define MANAGER(op) ((Manager *)(op))

PyObject *
nj_localcontext(PyObject *m, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"ctx",      "prec",  "rounding", "Emin",  "Emax",
                               "capitals", "clamp", "flags",    "traps", NULL};
    DecState *st = PyModule_GetState(m);
    PyObject *arg = Py_None, *global = nj_current_context(st);
    PyObject *v[8] = {Py_None, Py_None, Py_None, Py_None,
                      Py_None, Py_None, Py_None, Py_None};
    if (global == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "|OOOOOOOOO", keywords, &arg, &v[0],
                                     &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7])) {
        return NULL;
    }
    if (arg != Py_None && !IS_CONTEXT(st, arg)) {
        PyErr_SetString(PyExc_TypeError, "optional argument must be a context");
        return NULL;
    }
    NJ_OWN local = nj_copy_context(st, arg == Py_None ? global : arg);
    if (local == NULL || set_values(st, local, v) < 0) {
        return NULL;
    }
    Manager *cm = PyObject_GC_New(Manager, st->manager_type);
    if (cm) {
        cm->local = NJ_TAKE(local);
        cm->global = Py_NewRef(global);
        PyObject_GC_Track(cm);
    }
    return (PyObject *)cm;
}

static PyObject *
manager_enter(PyObject *op, PyObject *unused)
{
    NJ_OWN r = set_current(dec_state(Py_TYPE(op)), MANAGER(op)->local);
    return r ? Py_NewRef(MANAGER(op)->local) : NULL;
}

static PyObject *
manager_exit(PyObject *op, PyObject *args)
{
    NJ_OWN r = set_current(dec_state(Py_TYPE(op)), MANAGER(op)->global);
    return r ? Py_NewRef(Py_False) : NULL;
}

static int
manager_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(MANAGER(op)->local);
    Py_VISIT(MANAGER(op)->global);
    return 0;
}

static int
manager_clear(PyObject *op)
{
    Py_CLEAR(MANAGER(op)->local);
    Py_CLEAR(MANAGER(op)->global);
    return 0;
}

static void
manager_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)manager_clear(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyMethodDef manager_methods[] = {
    {"__enter__", manager_enter, METH_NOARGS, NULL},
    {"__exit__", manager_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot manager_slots[] = {
    {Py_tp_dealloc, manager_dealloc},
    {Py_tp_traverse, manager_traverse},
    {Py_tp_clear, manager_clear},
    {Py_tp_methods, manager_methods},
    {0, NULL},
};

PyType_Spec nj_manager_spec = {
    .name = "decimal.ContextManager",
    .basicsize = sizeof(Manager),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = manager_slots,
};

/* module.c - the module _decimal: its classes, exceptions and constants.
 * SPDX-License-Identifier: MIT
 */
#include "decimal_int.h"

/* ---- arguments ----------------------------------------------------------------------- */

/* Whether the arguments are in order: then they are in out. */
static bool
place_arguments(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                char *const *keywords, int min, int max, PyObject **out)
{
    if (nargs > max) {
        return false;
    }
    for (int i = 0; i < max; i++) {
        out[i] = i < nargs ? args[i] : NULL;
    }
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); k++) {
        int i = 0;
        while (i < max && !PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(kwnames, k), keywords[i])) {
            i++;
        }
        if (i == max || out[i]) {
            return false;
        }
        out[i] = args[nargs + k];
    }
    for (int i = 0; i < min; i++) {
        if (out[i] == NULL) {
            return false;
        }
    }
    return true;
}

int
nj_args_slow(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *format,
             char *const *keywords, int min, int max, PyObject **out)
{
    if (place_arguments(args, nargs, kwnames, keywords, min, max, out)) {
        return 0;
    }
    NJ_OWN tuple = PyTuple_New(nargs);
    NJ_OWN dict = PyDict_New();
    PyObject *v[4];
    if (tuple == NULL || dict == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    }
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0) {
            return -1;
        }
    }
    if (PyArg_ParseTupleAndKeywords(tuple, dict, format, (char **)keywords, &v[0], &v[1],
                                    &v[2], &v[3])) {
        PyErr_BadInternalCall(); /* place_arguments would have done */
    }
    return -1;
}

/* ---- start --------------------------------------------------------------------------- */

/* What the library finds in place of stderr, see the root meson.build. */
extern FILE *real_stderr __asm__("__real_stderr");
extern __attribute__((visibility("hidden"))) FILE *wrapped_stderr __asm__("__wrap_stderr");
FILE *wrapped_stderr;

/* Once per process, before any interpreter uses the library. */
__attribute__((constructor)) static void
set_up_library(void)
{
    wrapped_stderr = real_stderr;
    mpd_setminalloc(DATA_WORDS);
    mpd_mallocfunc = PyMem_Malloc;
    mpd_callocfunc = PyMem_Calloc;
    mpd_reallocfunc = PyMem_Realloc;
    mpd_free = PyMem_Free;
}

static int
add_type(PyObject *m, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, NULL);
    return *type ? 0 : -1;
}

/* A new exception class, added to the module: bases is a new tuple. */
static PyObject *
new_exception(PyObject *m, const char *name, PyObject *NJ_STEALS bases)
{
    NJ_OWN owned = bases;
    NJ_OWN full = bases ? PyUnicode_FromFormat("decimal.%s", name) : NULL;
    const char *text = full ? PyUnicode_AsUTF8(full) : NULL;
    PyObject *exc = text ? PyErr_NewException(text, owned, NULL) : NULL;
    if (exc && PyModule_AddObjectRef(m, name, exc) < 0) {
        Py_CLEAR(exc);
    }
    return exc;
}

static PyObject *
signal_class(DecState *st, uint32_t flag)
{
    for (int i = 0; i < NSIGNALS; i++) {
        if (nj_signals[i].flag == flag) {
            return st->exceptions[i];
        }
    }
    return NULL;
}

/* Bases of a signal; those of Overflow and Underflow come before them below. */
static PyObject *
signal_bases(DecState *st, uint32_t flag)
{
    PyObject *base = st->decimal_exception;
    switch (flag) {
    case MPD_Float_operation:
        return PyTuple_Pack(2, base, PyExc_TypeError);
    case MPD_Division_by_zero:
        return PyTuple_Pack(2, base, PyExc_ZeroDivisionError);
    case MPD_Overflow:
        return PyTuple_Pack(2, signal_class(st, MPD_Inexact),
                            signal_class(st, MPD_Rounded));
    case MPD_Underflow:
        return PyTuple_Pack(3, signal_class(st, MPD_Inexact), signal_class(st, MPD_Rounded),
                            signal_class(st, MPD_Subnormal));
    default:
        return PyTuple_Pack(1, base);
    }
}

static int
add_exceptions(PyObject *m, DecState *st)
{
    st->decimal_exception =
        new_exception(m, "DecimalException", PyTuple_Pack(1, PyExc_ArithmeticError));
    if (st->decimal_exception == NULL) {
        return -1;
    }
    for (int derived = 0; derived < 2; derived++) {
        for (int i = 0; i < NSIGNALS; i++) {
            uint32_t flag = nj_signals[i].flag;
            if ((flag == MPD_Overflow || flag == MPD_Underflow) != derived) {
                continue;
            }
            st->exceptions[i] = new_exception(m, nj_signals[i].name, signal_bases(st, flag));
            if (st->exceptions[i] == NULL) {
                return -1;
            }
        }
    }
    PyObject *invalid = signal_class(st, MPD_IEEE_Invalid_operation);
    st->conditions[0] = Py_NewRef(invalid);
    for (int i = 1; i < NCONDITIONS; i++) {
        PyObject *bases = nj_conditions[i].flag == MPD_Division_undefined
                              ? PyTuple_Pack(2, invalid, PyExc_ZeroDivisionError)
                              : PyTuple_Pack(1, invalid);
        st->conditions[i] = new_exception(m, nj_conditions[i].name, bases);
        if (st->conditions[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

/* Makes Decimal a Number, DecimalTuple a named tuple, SignalDict a mapping. */
static int
add_python_classes(DecState *st)
{
    NJ_OWN number = PyImport_ImportModuleAttrString("numbers", "Number");
    NJ_OWN registered =
        number ? PyObject_CallMethod(number, "register", "O", st->dec_type) : NULL;
    if (registered == NULL) {
        return -1;
    }
    st->rational = PyImport_ImportModuleAttrString("numbers", "Rational");
    NJ_OWN namedtuple =
        st->rational ? PyImport_ImportModuleAttrString("collections", "namedtuple") : NULL;
    NJ_OWN args = namedtuple ? Py_BuildValue("(ss)", "DecimalTuple", "sign digits exponent")
                             : NULL;
    NJ_OWN kwargs = args ? Py_BuildValue("{s:s}", "module", "decimal") : NULL;
    st->dec_tuple = kwargs ? PyObject_Call(namedtuple, args, kwargs) : NULL;
    NJ_OWN mapping = st->dec_tuple ? PyImport_ImportModuleAttrString("collections.abc",
                                                                     "MutableMapping")
                                   : NULL;
    if (mapping == NULL) {
        return -1;
    }
    st->signal_dict = PyObject_CallFunction((PyObject *)Py_TYPE(mapping), "s(OO){}",
                                            "SignalDict", st->signal_mixin, mapping);
    return st->signal_dict ? 0 : -1;
}

static int
add_contexts(PyObject *m, DecState *st)
{
    PyObject **template[] = {&st->default_context, &st->basic_context,
                             &st->extended_context};
    for (int i = 0; i < 3; i++) {
        *template[i] = nj_new_context(st, st->context_type);
        if (*template[i] == NULL) {
            return -1;
        }
    }
    mpd_context_t *ctx = CTX(st->basic_context);
    ctx->prec = 9;
    ctx->round = MPD_ROUND_HALF_UP;
    ctx->traps |= MPD_Underflow | MPD_Clamped;
    ctx = CTX(st->extended_context);
    ctx->prec = 9;
    ctx->traps = 0;
    st->context_var = PyContextVar_New("decimal_context", NULL);
    return st->context_var == NULL ||
                   PyModule_AddObjectRef(m, "DefaultContext", st->default_context) < 0 ||
                   PyModule_AddObjectRef(m, "BasicContext", st->basic_context) < 0 ||
                   PyModule_AddObjectRef(m, "ExtendedContext", st->extended_context) < 0
               ? -1
               : 0;
}

static int
add_constants(PyObject *m, DecState *st)
{
    static const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"MAX_PREC", MPD_MAX_PREC},
        {"MAX_EMAX", MPD_MAX_EMAX},
        {"MIN_EMIN", MPD_MIN_EMIN},
        {"MIN_ETINY", MPD_MIN_ETINY},
        {"IEEE_CONTEXT_MAX_BITS", MPD_IEEE_CONTEXT_MAX_BITS},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(numbers); i++) {
        if (PyModule_Add(m, numbers[i].name, PyLong_FromLongLong(numbers[i].value)) < 0) {
            return -1;
        }
    }
    for (int i = 0; i < MPD_ROUND_TRUNC; i++) {
        const char *name = mpd_round_string[i];
        st->rounding[i] = PyUnicode_InternFromString(name);
        if (st->rounding[i] == NULL ||
            PyModule_AddObjectRef(m, name, st->rounding[i]) < 0) {
            return -1;
        }
    }
    if (PyModule_AddObjectRef(m, "HAVE_CONTEXTVAR", Py_True) < 0 ||
        PyModule_AddObjectRef(m, "HAVE_THREADS", Py_True) < 0 ||
        PyModule_AddStringConstant(m, "__version__", "1.70") < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(m, "__libmpdec_version__", mpd_version());
}

static int
decimal_exec(PyObject *m)
{
    DecState *st = PyModule_GetState(m);
    if (add_type(m, &nj_dec_spec, &st->dec_type) < 0 ||
        add_type(m, &nj_context_spec, &st->context_type) < 0 ||
        add_type(m, &nj_manager_spec, &st->manager_type) < 0 ||
        add_type(m, &nj_signal_spec, &st->signal_mixin) < 0 ||
        PyModule_AddType(m, st->dec_type) < 0 ||
        PyModule_AddType(m, st->context_type) < 0 || add_exceptions(m, st) < 0 ||
        add_python_classes(st) < 0 ||
        PyModule_AddObjectRef(m, "DecimalTuple", st->dec_tuple) < 0 ||
        add_constants(m, st) < 0) {
        return -1;
    }
    return add_contexts(m, st);
}

/* ---- module -------------------------------------------------------------------------- */

#define EACH_OBJECT(st, DO)                                                            \
    do {                                                                               \
        DO((st)->dec_type);                                                            \
        DO((st)->context_type);                                                        \
        DO((st)->manager_type);                                                        \
        DO((st)->signal_mixin);                                                        \
        DO((st)->signal_dict);                                                         \
        for (int i_ = 0; i_ < NSIGNALS; i_++) {                                        \
            DO((st)->exceptions[i_]);                                                  \
        }                                                                              \
        for (int i_ = 0; i_ < NCONDITIONS; i_++) {                                     \
            DO((st)->conditions[i_]);                                                  \
        }                                                                              \
        DO((st)->decimal_exception);                                                   \
        DO((st)->dec_tuple);                                                           \
        DO((st)->rational);                                                            \
        DO((st)->default_context);                                                     \
        DO((st)->basic_context);                                                       \
        DO((st)->extended_context);                                                    \
        DO((st)->context_var);                                                         \
        for (int i_ = 0; i_ < MPD_ROUND_GUARD; i_++) {                                 \
            DO((st)->rounding[i_]);                                                    \
        }                                                                              \
        DO((st)->gcd);                                                                 \
    } while (0)

static int
decimal_traverse(PyObject *m, visitproc visit, void *arg)
{
    DecState *st = PyModule_GetState(m);
    EACH_OBJECT(st, Py_VISIT);
    return 0;
}

static int
decimal_clear(PyObject *m)
{
    DecState *st = PyModule_GetState(m);
    EACH_OBJECT(st, Py_CLEAR);
    return 0;
}

static void
decimal_free(void *m)
{
    (void)decimal_clear(m);
}

static PyMethodDef decimal_methods[] = {
    {"getcontext", nj_getcontext, METH_NOARGS,
     "getcontext($module, /)\n--\n\nThe context of the running thread or task."},
    {"setcontext", nj_setcontext, METH_O,
     "setcontext($module, context, /)\n--\n\nMake context the current one."},
    {"localcontext", _PyCFunction_CAST(nj_localcontext), METH_VARARGS | METH_KEYWORDS,
     "localcontext($module, /, ctx=None, **kwargs)\n--\n\n"
     "A context manager: inside, a copy of ctx is the current context, with the values\n"
     "given as keywords; afterwards the present one is again."},
    {"IEEEContext", nj_ieee_context, METH_O,
     "IEEEContext($module, bits, /)\n--\n\n"
     "A context of the interchange format of IEEE 754 with so many bits, a multiple of\n"
     "32 up to IEEE_CONTEXT_MAX_BITS."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot decimal_slots[] = {
    {Py_mod_exec, decimal_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

PyModuleDef nj_decimal_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_decimal",
    .m_doc = "Decimal arithmetic on libmpdec.",
    .m_size = sizeof(DecState),
    .m_methods = decimal_methods,
    .m_slots = decimal_slots,
    .m_traverse = decimal_traverse,
    .m_clear = decimal_clear,
    .m_free = decimal_free,
};

PyMODINIT_FUNC
PyInit__decimal(void)
{
    return PyModuleDef_Init(&nj_decimal_module);
}

/* sre.c - the _sre module: Pattern, Match, scanner and template objects.
 * SPDX-License-Identifier: MIT
 */
#include "modules/sre/sre_int.h"

#include "capi/args.h"

#include <ctype.h>
#include <stddef.h>

typedef struct SreModule {
    PyTypeObject *pattern, *match, *scanner, *template_;
    PyObject *compile_template; /* re._compile_template, fetched on first use */
} SreModule;

typedef struct SreMatch {
    PyObject_VAR_HEAD   /* ob_size: 2 * (groups + 1) */
    PyObject *string;   /* subject, or None */
    PyObject *regs;     /* cached regs tuple */
    SrePattern *pattern;
    Py_ssize_t pos, endpos;
    Py_ssize_t lastindex; /* -1 none */
    Py_ssize_t groups;    /* with group 0 */
    Py_ssize_t mark[];
} SreMatch;

typedef struct SreScanner {
    PyObject_HEAD
    SrePattern *pattern;
    SreState state;
    int executing;
} SreScanner;

typedef struct SreTemplate {
    PyObject_VAR_HEAD /* ob_size: number of (group, literal) pairs */
    Py_ssize_t chunks; /* upper bound of pieces */
    PyObject *literal; /* leading text, or NULL */
    struct {
        Py_ssize_t index;
        PyObject *literal; /* or NULL */
    } items[];
} SreTemplate;

extern struct PyModuleDef nj_sre_module;

static SreModule *
module_of(PyTypeObject *type)
{
    return PyModule_GetState(PyType_GetModule(type));
}

/* ---- the subject -------------------------------------------------------------------------- */

static void
state_fini(SreState *s)
{
    if (s->buffer.obj) {
        PyBuffer_Release(&s->buffer);
    }
    Py_CLEAR(s->string);
    if (s->marks != s->marks_fixed) {
        PyMem_Free(s->marks);
    }
    s->marks = NULL;
    PyMem_Free(s->choices);
    PyMem_Free(s->trail);
    PyMem_Free(s->repeats);
    s->choices = NULL;
    s->trail = NULL;
    s->repeats = NULL;
}

#define SRE_STATE(name) __attribute__((cleanup(state_fini))) SreState name = {0}

/* Binds s to a subject. 0/-1. */
static int
state_init(SreState *s, SrePattern *pattern, PyObject *string, Py_ssize_t start,
           Py_ssize_t end)
{
    s->pattern = pattern;
    s->nmarks = 2 * pattern->groups;
    s->marks = s->marks_fixed;
    if (s->nmarks > (Py_ssize_t)NJ_ARRAY_LEN(s->marks_fixed)) {
        s->marks = PyMem_Malloc((size_t)s->nmarks * sizeof(Py_ssize_t));
        if (!s->marks) {
            s->marks = s->marks_fixed;
            PyErr_NoMemory();
            return -1;
        }
    }
    Py_ssize_t length;
    if (PyUnicode_Check(string)) {
        s->text = PyUnicode_DATA(string);
        s->kind = (int)PyUnicode_KIND(string);
        length = PyUnicode_GET_LENGTH(string);
        s->isbytes = 0;
    } else {
        if (PyObject_GetBuffer(string, &s->buffer, PyBUF_SIMPLE) < 0) {
            PyErr_Format(PyExc_TypeError, "expected string or bytes-like object, got '%.200s'",
                         Py_TYPE(string)->tp_name);
            return -1;
        }
        s->text = s->buffer.buf ? s->buffer.buf : "";
        s->kind = 1;
        length = s->buffer.len;
        s->isbytes = 1;
    }
    s->string = Py_NewRef(string);
    if (s->isbytes && pattern->isbytes == 0) {
        PyErr_SetString(PyExc_TypeError,
                        "cannot use a string pattern on a bytes-like object");
        return -1;
    }
    if (!s->isbytes && pattern->isbytes > 0) {
        PyErr_SetString(PyExc_TypeError,
                        "cannot use a bytes pattern on a string-like object");
        return -1;
    }
    start = start < 0 ? 0 : start > length ? length : start;
    end = end < 0 ? 0 : end > length ? length : end;
    s->beginning = 0;
    s->start = s->pos = start;
    s->length = end;
    s->lastindex = -1;
    return 0;
}

/* A piece of the subject. */
static PyObject *
slice(PyObject *string, int isbytes, const void *text, Py_ssize_t start, Py_ssize_t end)
{
    if (!isbytes) {
        return PyUnicode_Substring(string, start, end);
    }
    if (PyBytes_CheckExact(string) && start == 0 && end == PyBytes_GET_SIZE(string)) {
        return Py_NewRef(string);
    }
    return PyBytes_FromStringAndSize((const char *)text + start, end - start);
}

static PyObject *
state_slice(SreState *s, Py_ssize_t start, Py_ssize_t end)
{
    return slice(s->string, s->isbytes, s->text, start, end);
}

/* The text of group index (1-based) after a match; empty: "" instead of None. */
static PyObject *
state_group(SreState *s, Py_ssize_t index, bool empty)
{
    Py_ssize_t i = (index - 1) * 2;
    Py_ssize_t b = -1, e = -1;
    if (i < s->nmarks) {
        b = s->marks[i], e = s->marks[i + 1];
    }
    if (b < 0 || e < b) {
        if (!empty) {
            return Py_NewRef(Py_None);
        }
        b = e = 0;
    }
    return state_slice(s, b, e);
}

static PyObject *
new_match(SreModule *m, SrePattern *pattern, SreState *s)
{
    SreMatch *match = PyObject_GC_NewVar(SreMatch, m->match, 2 * (pattern->groups + 1));
    if (!match) {
        return NULL;
    }
    match->string = Py_NewRef(s->string);
    match->regs = NULL;
    match->pattern = (SrePattern *)Py_NewRef((PyObject *)pattern);
    match->groups = pattern->groups + 1;
    match->mark[0] = s->start;
    match->mark[1] = s->end;
    for (Py_ssize_t i = 0; i < pattern->groups; i++) {
        Py_ssize_t b = s->marks[2 * i], e = s->marks[2 * i + 1];
        bool set = b >= 0 && e >= b;
        match->mark[2 * i + 2] = set ? b : -1;
        match->mark[2 * i + 3] = set ? e : -1;
    }
    match->pos = s->pos;
    match->endpos = s->length;
    match->lastindex = s->lastindex;
    PyObject_GC_Track(match);
    return (PyObject *)match;
}

/* After a match: where and how to look for the next one. */
static void
move_on(SreState *s)
{
    s->must_advance = s->end == s->start;
    s->advance_from = s->end;
    s->start = s->end;
}

/* ---- Pattern: searching ------------------------------------------------------------------------ */

static int
bind_subject(const char *fname, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
             PyObject **string, Py_ssize_t *pos, Py_ssize_t *endpos)
{
    static const char *const names[] = {"string", "pos", "endpos", NULL};
    NjParams params = {fname, names, 3, 1, 0};
    PyObject *a[3];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return -1;
    }
    *string = a[0];
    *pos = 0;
    *endpos = PY_SSIZE_T_MAX;
    for (int i = 1; i < 3; i++) {
        if (a[i]) {
            NJ_OWN index = PyNumber_Index(a[i]);
            if (!index) {
                return -1;
            }
            Py_ssize_t v = PyLong_AsSsize_t(index);
            if (v == -1 && PyErr_Occurred()) {
                return -1;
            }
            *(i == 1 ? pos : endpos) = v;
        }
    }
    return 0;
}

enum { MODE_MATCH, MODE_FULLMATCH, MODE_SEARCH };

static PyObject *
find(PyObject *op, PyTypeObject *cls, PyObject *const *args, Py_ssize_t nargs,
     PyObject *kwnames, const char *fname, int mode)
{
    PyObject *string;
    Py_ssize_t pos, endpos;
    SRE_STATE(s);
    SrePattern *self = (SrePattern *)op;
    if (bind_subject(fname, args, nargs, kwnames, &string, &pos, &endpos) < 0 ||
        state_init(&s, self, string, pos, endpos) < 0) {
        return NULL;
    }
    s.match_all = mode == MODE_FULLMATCH;
    int r = mode == MODE_SEARCH ? sre_search(&s) : sre_match(&s);
    if (r <= 0) {
        return r < 0 ? NULL : Py_NewRef(Py_None);
    }
    return new_match(module_of(cls), self, &s);
}

static PyObject *
pattern_match(PyObject *op, PyTypeObject *cls, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    return find(op, cls, args, nargs, kwnames, "match", MODE_MATCH);
}

static PyObject *
pattern_fullmatch(PyObject *op, PyTypeObject *cls, PyObject *const *args,
                  Py_ssize_t nargs, PyObject *kwnames)
{
    return find(op, cls, args, nargs, kwnames, "fullmatch", MODE_FULLMATCH);
}

static PyObject *
pattern_search(PyObject *op, PyTypeObject *cls, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames)
{
    return find(op, cls, args, nargs, kwnames, "search", MODE_SEARCH);
}

static PyObject *
pattern_findall(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    SrePattern *self = (SrePattern *)op;
    PyObject *string;
    Py_ssize_t pos, endpos;
    SRE_STATE(s);
    if (bind_subject("findall", args, nargs, kwnames, &string, &pos, &endpos) < 0 ||
        state_init(&s, self, string, pos, endpos) < 0) {
        return NULL;
    }
    NJ_OWN list = PyList_New(0);
    while (list && s.start <= s.length) {
        int r = sre_search(&s);
        if (r <= 0) {
            if (r < 0) {
                return NULL;
            }
            break;
        }
        NJ_OWN item = NULL;
        if (self->groups == 0) {
            item = state_slice(&s, s.start, s.end);
        } else if (self->groups == 1) {
            item = state_group(&s, 1, true);
        } else {
            item = PyTuple_New(self->groups);
            for (Py_ssize_t i = 0; item && i < self->groups; i++) {
                PyObject *g = state_group(&s, i + 1, true);
                if (!g) {
                    return NULL;
                }
                PyTuple_SET_ITEM(item, i, g);
            }
        }
        if (!item || PyList_Append(list, item) < 0) {
            return NULL;
        }
        move_on(&s);
    }
    return NJ_TAKE(list);
}

static PyObject *
pattern_split(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"string", "maxsplit", NULL};
    static const NjParams params = {"split", names, 2, 1, 0};
    SrePattern *self = (SrePattern *)op;
    PyObject *a[2];
    SRE_STATE(s);
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    Py_ssize_t maxsplit = 0;
    if (a[1]) {
        maxsplit = PyNumber_AsSsize_t(a[1], PyExc_OverflowError);
        if (maxsplit == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (state_init(&s, self, a[0], 0, PY_SSIZE_T_MAX) < 0) {
        return NULL;
    }
    NJ_OWN list = PyList_New(0);
    Py_ssize_t last = 0, n = 0;
    while (list && (!maxsplit || n < maxsplit)) {
        int r = sre_search(&s);
        if (r <= 0) {
            if (r < 0) {
                return NULL;
            }
            break;
        }
        NJ_OWN piece = state_slice(&s, last, s.start);
        if (!piece || PyList_Append(list, piece) < 0) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i < self->groups; i++) {
            NJ_OWN g = state_group(&s, i + 1, false);
            if (!g || PyList_Append(list, g) < 0) {
                return NULL;
            }
        }
        n++;
        last = s.end;
        move_on(&s);
    }
    NJ_OWN rest = list ? state_slice(&s, last, s.length) : NULL;
    return rest && PyList_Append(list, rest) == 0 ? NJ_TAKE(list) : NULL;
}

/* ---- Pattern: replacing ------------------------------------------------------------------------ */

/* re._compile_template(pattern, repl): a template object, or str/bytes without references.
 * New reference. */
static PyObject *
compile_template(SreModule *m, SrePattern *pattern, PyObject *repl)
{
    if (!m->compile_template) {
        NJ_OWN re = PyImport_ImportModule("re");
        m->compile_template = re ? PyObject_GetAttrString(re, "_compile_template") : NULL;
        if (!m->compile_template) {
            return NULL;
        }
    }
    NJ_OWN result = PyObject_CallFunctionObjArgs(m->compile_template, pattern, repl, NULL);
    if (!result && PyErr_ExceptionMatches(PyExc_TypeError) && !PyUnicode_Check(repl) &&
        !PyBytes_Check(repl)) {
        /* repl is unhashable: the cache refused it, so go by its bytes */
        PyErr_Clear();
        NJ_OWN bytes = PyBytes_FromObject(repl);
        NJ_SET(result, bytes ? PyObject_CallFunctionObjArgs(m->compile_template, pattern,
                                                             bytes, NULL)
                             : NULL);
    }
    if (result && !Py_IS_TYPE(result, m->template_)) {
        PyErr_Format(PyExc_RuntimeError,
                     "the result of compiling a replacement string is %.200s, not a template",
                     Py_TYPE(result)->tp_name);
        return NULL;
    }
    return NJ_TAKE(result);
}

/* Appends what a template yields for the match in s. 0/-1. */
static int
expand_into(SreTemplate *t, PyObject *list, PyObject *(*group)(void *, Py_ssize_t),
            void *from)
{
    if (t->literal && PyList_Append(list, t->literal) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < Py_SIZE(t); i++) {
        NJ_OWN g = group(from, t->items[i].index);
        if (!g || (g != Py_None && PyList_Append(list, g) < 0)) {
            return -1;
        }
        if (t->items[i].literal && PyList_Append(list, t->items[i].literal) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
state_group_for_template(void *from, Py_ssize_t index)
{
    SreState *s = from;
    return index == 0 ? state_slice(s, s->start, s->end) : state_group(s, index, false);
}

static PyObject *
join_pieces(PyObject *list, PyObject *string, int isbytes)
{
    if (isbytes) {
        NJ_OWN empty = PyBytes_FromStringAndSize(NULL, 0);
        (void)string;
        return empty ? PyObject_CallMethodOneArg(empty, NJ_ID(join), list) : NULL;
    }
    NJ_OWN empty = PyUnicode_FromStringAndSize(NULL, 0);
    return empty ? PyUnicode_Join(empty, list) : NULL;
}

static bool
has_backslash(PyObject *repl)
{
    if (PyUnicode_Check(repl)) {
        return PyUnicode_FindChar(repl, '\\', 0, PyUnicode_GET_LENGTH(repl), 1) >= 0;
    }
    Py_buffer b;
    if (PyObject_GetBuffer(repl, &b, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        return true; /* let the template compiler complain */
    }
    bool found = b.len && memchr(b.buf, '\\', (size_t)b.len);
    PyBuffer_Release(&b);
    return found;
}

/* sub and subn. */
static PyObject *
substitute(PyObject *op, PyTypeObject *cls, PyObject *const *args, Py_ssize_t nargs,
           PyObject *kwnames, bool count_too)
{
    static const char *const names[] = {"repl", "string", "count", NULL};
    NjParams params = {count_too ? "subn" : "sub", names, 3, 2, 0};
    SrePattern *self = (SrePattern *)op;
    SreModule *m = module_of(cls);
    PyObject *a[3];
    SRE_STATE(s);
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    Py_ssize_t count = 0;
    if (a[2]) {
        count = PyNumber_AsSsize_t(a[2], PyExc_OverflowError);
        if (count == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    bool callable = PyCallable_Check(a[0]), literal = false;
    NJ_OWN filter = NULL;
    if (callable) {
        filter = Py_NewRef(a[0]);
    } else if ((PyUnicode_Check(a[0]) || PyObject_CheckBuffer(a[0])) &&
               !has_backslash(a[0])) {
        filter = Py_NewRef(a[0]);
        literal = true;
    } else {
        filter = compile_template(m, self, a[0]);
        if (!filter) {
            return NULL;
        }
        if (Py_SIZE(filter) == 0) {
            /* only text: take that */
            SreTemplate *t = (SreTemplate *)filter;
            PyObject *text = t->literal ? Py_NewRef(t->literal)
                             : PyUnicode_Check(a[0]) ? PyUnicode_FromStringAndSize(NULL, 0)
                                                     : PyBytes_FromStringAndSize(NULL, 0);
            NJ_SET(filter, text);
            if (!filter) {
                return NULL;
            }
            literal = true;
        }
    }
    if (state_init(&s, self, a[1], 0, PY_SSIZE_T_MAX) < 0) {
        return NULL;
    }
    NJ_OWN list = PyList_New(0);
    Py_ssize_t last = 0, n = 0;
    while (list && (!count || n < count)) {
        int r = sre_search(&s);
        if (r <= 0) {
            if (r < 0) {
                return NULL;
            }
            break;
        }
        if (last < s.start) {
            NJ_OWN piece = state_slice(&s, last, s.start);
            if (!piece || PyList_Append(list, piece) < 0) {
                return NULL;
            }
        }
        if (literal) {
            if (PyList_Append(list, filter) < 0) {
                return NULL;
            }
        } else if (callable) {
            NJ_OWN match = new_match(m, self, &s);
            NJ_OWN item = match ? PyObject_CallOneArg(filter, match) : NULL;
            if (!item || (item != Py_None && PyList_Append(list, item) < 0)) {
                return NULL;
            }
        } else if (expand_into((SreTemplate *)filter, list, state_group_for_template, &s) <
                   0) {
            return NULL;
        }
        last = s.end;
        n++;
        move_on(&s);
    }
    if (!list) {
        return NULL;
    }
    NJ_OWN result = NULL;
    if (n == 0 && (PyUnicode_CheckExact(a[1]) || PyBytes_CheckExact(a[1]))) {
        result = Py_NewRef(a[1]);
    } else {
        if (last < s.length) {
            NJ_OWN rest = state_slice(&s, last, s.length);
            if (!rest || PyList_Append(list, rest) < 0) {
                return NULL;
            }
        }
        result = join_pieces(list, s.string, s.isbytes);
    }
    if (!result) {
        return NULL;
    }
    return count_too ? Py_BuildValue("On", result, n) : NJ_TAKE(result);
}

static PyObject *
pattern_sub(PyObject *op, PyTypeObject *cls, PyObject *const *args, Py_ssize_t nargs,
            PyObject *kwnames)
{
    return substitute(op, cls, args, nargs, kwnames, false);
}

static PyObject *
pattern_subn(PyObject *op, PyTypeObject *cls, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    return substitute(op, cls, args, nargs, kwnames, true);
}

/* ---- scanners ------------------------------------------------------------------------------------ */

static PyObject *
new_scanner(SreModule *m, SrePattern *self, PyObject *string, Py_ssize_t pos,
            Py_ssize_t endpos)
{
    SreScanner *sc = PyObject_GC_New(SreScanner, m->scanner);
    if (!sc) {
        return NULL;
    }
    sc->pattern = NULL;
    sc->executing = 0;
    memset(&sc->state, 0, sizeof(sc->state));
    sc->pattern = (SrePattern *)Py_NewRef((PyObject *)self);
    if (state_init(&sc->state, self, string, pos, endpos) < 0) {
        Py_DECREF(sc);
        return NULL;
    }
    PyObject_GC_Track(sc);
    return (PyObject *)sc;
}

static PyObject *
pattern_scanner(PyObject *op, PyTypeObject *cls, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    PyObject *string;
    Py_ssize_t pos, endpos;
    if (bind_subject("scanner", args, nargs, kwnames, &string, &pos, &endpos) < 0) {
        return NULL;
    }
    return new_scanner(module_of(cls), (SrePattern *)op, string, pos, endpos);
}

static PyObject *
pattern_finditer(PyObject *op, PyTypeObject *cls, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    PyObject *string;
    Py_ssize_t pos, endpos;
    if (bind_subject("finditer", args, nargs, kwnames, &string, &pos, &endpos) < 0) {
        return NULL;
    }
    NJ_OWN scanner =
        new_scanner(module_of(cls), (SrePattern *)op, string, pos, endpos);
    NJ_OWN search = scanner ? PyObject_GetAttr(scanner, NJ_ID(search)) : NULL;
    return search ? PyCallIter_New(search, Py_None) : NULL;
}

static PyObject *
scanner_step(PyObject *op, PyTypeObject *cls, Py_ssize_t nargs, PyObject *kwnames,
             bool search)
{
    SreScanner *sc = (SreScanner *)op;
    SreState *s = &sc->state;
    if (nargs || (kwnames && PyTuple_GET_SIZE(kwnames))) {
        PyErr_Format(PyExc_TypeError, "%s() takes no arguments", search ? "search" : "match");
        return NULL;
    }
    if (sc->executing) {
        PyErr_SetString(PyExc_ValueError, "regular expression scanner already executing");
        return NULL;
    }
    if (s->start < 0 || s->start > s->length) {
        Py_RETURN_NONE;
    }
    sc->executing = 1;
    int r = search ? sre_search(s) : sre_match(s);
    sc->executing = 0;
    if (r < 0) {
        return NULL;
    }
    if (r == 0) {
        s->start = -1;
        Py_RETURN_NONE;
    }
    PyObject *m = new_match(module_of(cls), sc->pattern, s);
    move_on(s);
    return m;
}

static PyObject *
scanner_match(PyObject *op, PyTypeObject *cls, PyObject *const *Py_UNUSED(args),
              Py_ssize_t nargs, PyObject *kwnames)
{
    return scanner_step(op, cls, nargs, kwnames, false);
}

static PyObject *
scanner_search(PyObject *op, PyTypeObject *cls, PyObject *const *Py_UNUSED(args),
               Py_ssize_t nargs, PyObject *kwnames)
{
    return scanner_step(op, cls, nargs, kwnames, true);
}

static int
scanner_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((SreScanner *)op)->pattern);
    Py_VISIT(((SreScanner *)op)->state.string);
    return 0;
}

static void
scanner_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    state_fini(&((SreScanner *)op)->state);
    Py_XDECREF(((SreScanner *)op)->pattern);
    tp->tp_free(op);
    Py_DECREF(tp);
}

#define METHOD_CLS (METH_METHOD | METH_FASTCALL | METH_KEYWORDS)
#define FUNC(f) (PyCFunction)(void (*)(void))(f)

static PyMethodDef scanner_methods[] = {
    {"match", FUNC(scanner_match), METHOD_CLS, "match($self, /)\n--\n\n"},
    {"search", FUNC(scanner_search), METHOD_CLS, "search($self, /)\n--\n\n"},
    {0},
};

static PyMemberDef scanner_members[] = {
    {"pattern", Py_T_OBJECT_EX, offsetof(SreScanner, pattern), Py_READONLY, NULL},
    {0},
};

static PyType_Slot scanner_slots[] = {
    {Py_tp_dealloc, scanner_dealloc}, {Py_tp_traverse, scanner_traverse},
    {Py_tp_methods, scanner_methods}, {Py_tp_members, scanner_members},
    {0, NULL},
};

#define TYPE_FLAGS                                                                     \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |                                   \
     Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_GC)

static PyType_Spec scanner_spec = {
    .name = "_sre.SRE_Scanner",
    .basicsize = sizeof(SreScanner),
    .flags = TYPE_FLAGS,
    .slots = scanner_slots,
};

/* ---- Pattern: the rest ----------------------------------------------------------------------------- */

static PyObject *
return_self(PyObject *op, PyObject *Py_UNUSED(arg))
{
    return Py_NewRef(op);
}

static PyObject *
pattern_repr(PyObject *op)
{
    static const struct {
        const char *name;
        int flag;
    } names[] = {{"re.IGNORECASE", FLAG_IGNORECASE}, {"re.MULTILINE", FLAG_MULTILINE},
                 {"re.DOTALL", FLAG_DOTALL},         {"re.VERBOSE", FLAG_VERBOSE},
                 {"re.DEBUG", FLAG_DEBUG},           {"re.ASCII", FLAG_ASCII},
                 {"re.LOCALE", FLAG_LOCALE},         {"re.UNICODE", FLAG_UNICODE}};
    SrePattern *self = (SrePattern *)op;
    int flags = self->flags;
    /* the default of str patterns goes without saying */
    if (self->isbytes == 0 && (flags & (FLAG_LOCALE | FLAG_UNICODE | FLAG_ASCII)) ==
                                  FLAG_UNICODE) {
        flags &= ~FLAG_UNICODE;
    }
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(names); i++) {
        if (flags & names[i].flag) {
            NJ_OWN s = PyUnicode_FromString(names[i].name);
            if (!s || PyList_Append(list, s) < 0) {
                return NULL;
            }
            flags &= ~names[i].flag;
        }
    }
    if (flags) {
        NJ_OWN s = PyUnicode_FromFormat("0x%x", flags);
        if (!s || PyList_Append(list, s) < 0) {
            return NULL;
        }
    }
    if (PyList_GET_SIZE(list) == 0) {
        return PyUnicode_FromFormat("re.compile(%.200R)", self->pattern);
    }
    NJ_OWN bar = PyUnicode_FromString("|");
    NJ_OWN text = bar ? PyUnicode_Join(bar, list) : NULL;
    return text ? PyUnicode_FromFormat("re.compile(%.200R, %S)", self->pattern, text) : NULL;
}

static Py_hash_t
pattern_hash(PyObject *op)
{
    SrePattern *self = (SrePattern *)op;
    Py_hash_t h = PyObject_Hash(self->pattern);
    if (h == -1) {
        return -1;
    }
    h ^= Py_HashBuffer(self->code, Py_SIZE(op) * (Py_ssize_t)sizeof(SreCode));
    h ^= self->flags;
    h ^= self->isbytes;
    h ^= Py_SIZE(op);
    return h == -1 ? -2 : h;
}

static PyObject *
pattern_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != Py_TYPE(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    SrePattern *x = (SrePattern *)a, *y = (SrePattern *)b;
    int same = a == b;
    if (!same) {
        same = x->flags == y->flags && x->isbytes == y->isbytes && Py_SIZE(x) == Py_SIZE(y) &&
               memcmp(x->code, y->code, (size_t)Py_SIZE(x) * sizeof(SreCode)) == 0;
        if (same) {
            same = PyObject_RichCompareBool(x->pattern, y->pattern, Py_EQ);
            if (same < 0) {
                return NULL;
            }
        }
    }
    return PyBool_FromLong((op == Py_EQ) == same);
}

static PyObject *
pattern_groupindex_get(PyObject *op, void *Py_UNUSED(c))
{
    PyObject *d = ((SrePattern *)op)->groupindex;
    return d ? PyDictProxy_New(d) : PyDict_New();
}

static int
pattern_traverse(PyObject *op, visitproc visit, void *arg)
{
    SrePattern *self = (SrePattern *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->groupindex);
    Py_VISIT(self->indexgroup);
    Py_VISIT(self->pattern);
    return 0;
}

static int
pattern_clear(PyObject *op)
{
    SrePattern *self = (SrePattern *)op;
    Py_CLEAR(self->groupindex);
    Py_CLEAR(self->indexgroup);
    Py_CLEAR(self->pattern);
    return 0;
}

static void
pattern_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    SrePattern *self = (SrePattern *)op;
    PyObject_GC_UnTrack(op);
    if (self->weaklist) {
        PyObject_ClearWeakRefs(op);
    }
    pattern_clear(op);
    PyMem_Free(self->bitmaps);
    PyMem_Free(self->bitmap_of);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyMethodDef pattern_methods[] = {
    {"match", FUNC(pattern_match), METHOD_CLS,
     "match($self, /, string, pos=0, endpos=sys.maxsize)\n--\n\nMatch at the beginning."},
    {"fullmatch", FUNC(pattern_fullmatch), METHOD_CLS,
     "fullmatch($self, /, string, pos=0, endpos=sys.maxsize)\n--\n\nMatch all of string."},
    {"search", FUNC(pattern_search), METHOD_CLS,
     "search($self, /, string, pos=0, endpos=sys.maxsize)\n--\n\nThe first match anywhere."},
    {"sub", FUNC(pattern_sub), METHOD_CLS,
     "sub($self, /, repl, string, count=0)\n--\n\n"
     "Return the string obtained by replacing the leftmost non-overlapping occurrences of "
     "pattern in string by the replacement repl."},
    {"subn", FUNC(pattern_subn), METHOD_CLS,
     "subn($self, /, repl, string, count=0)\n--\n\nLike sub; also tells how many."},
    {"findall", FUNC(pattern_findall), METH_FASTCALL | METH_KEYWORDS,
     "findall($self, /, string, pos=0, endpos=sys.maxsize)\n--\n\nA list of all matches."},
    {"split", FUNC(pattern_split), METH_FASTCALL | METH_KEYWORDS,
     "split($self, /, string, maxsplit=0)\n--\n\nSplit string at the matches."},
    {"finditer", FUNC(pattern_finditer), METHOD_CLS,
     "finditer($self, /, string, pos=0, endpos=sys.maxsize)\n--\n\nAn iterator of matches."},
    {"scanner", FUNC(pattern_scanner), METHOD_CLS,
     "scanner($self, /, string, pos=0, endpos=sys.maxsize)\n--\n\n"},
    {"__copy__", return_self, METH_NOARGS, "__copy__($self, /)\n--\n\n"},
    {"__deepcopy__", return_self, METH_O, "__deepcopy__($self, memo, /)\n--\n\n"},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"},
    {0},
};

static PyMemberDef pattern_members[] = {
    {"pattern", Py_T_OBJECT_EX, offsetof(SrePattern, pattern), Py_READONLY,
     "the source of the pattern"},
    {"flags", Py_T_INT, offsetof(SrePattern, flags), Py_READONLY, "the flags"},
    {"groups", Py_T_PYSSIZET, offsetof(SrePattern, groups), Py_READONLY,
     "the number of groups"},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(SrePattern, weaklist), Py_READONLY, NULL},
    {0},
};

static PyGetSetDef pattern_getset[] = {
    {"groupindex", pattern_groupindex_get, NULL, "names of groups to their numbers", NULL},
    {0},
};

static PyType_Slot pattern_slots[] = {
    {Py_tp_dealloc, pattern_dealloc},
    {Py_tp_repr, pattern_repr},
    {Py_tp_hash, pattern_hash},
    {Py_tp_doc, "A compiled regular expression."},
    {Py_tp_richcompare, pattern_richcompare},
    {Py_tp_methods, pattern_methods},
    {Py_tp_members, pattern_members},
    {Py_tp_getset, pattern_getset},
    {Py_tp_traverse, pattern_traverse},
    {Py_tp_clear, pattern_clear},
    {0, NULL},
};

static PyType_Spec pattern_spec = {
    .name = "re.Pattern",
    .basicsize = sizeof(SrePattern),
    .itemsize = sizeof(SreCode),
    .flags = TYPE_FLAGS,
    .slots = pattern_slots,
};

/* ---- Match -------------------------------------------------------------------------------------------- */

static PyObject *
match_group_text(SreMatch *m, Py_ssize_t i, PyObject *fallback)
{
    Py_ssize_t b = m->mark[2 * i], e = m->mark[2 * i + 1];
    if (m->string == Py_None || b < 0) {
        return Py_NewRef(fallback);
    }
    if (PyUnicode_Check(m->string)) {
        return PyUnicode_Substring(m->string, b, e);
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(m->string, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    /* the buffer may have shrunk since the match */
    e = e < view.len ? e : view.len;
    b = b < e ? b : e;
    return slice(m->string, 1, view.buf, b, e);
}

/* The number of a group given by number or name; -1 with IndexError. */
static Py_ssize_t
group_number(SreMatch *m, PyObject *index)
{
    Py_ssize_t i = -1;
    if (PyIndex_Check(index)) {
        i = PyNumber_AsSsize_t(index, NULL);
    } else if (m->pattern->groupindex) {
        NJ_OWN v = NULL;
        if (PyDict_GetItemRef(m->pattern->groupindex, index, &v) < 0) {
            return -1;
        }
        if (v && PyLong_Check(v)) {
            i = PyLong_AsSsize_t(v);
        }
    }
    if (i < 0 || i >= m->groups) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_IndexError, "no such group");
        }
        return -1;
    }
    return i;
}

static PyObject *
match_getitem(PyObject *op, PyObject *index)
{
    Py_ssize_t i = group_number((SreMatch *)op, index);
    return i < 0 ? NULL : match_group_text((SreMatch *)op, i, Py_None);
}

static PyObject *
match_group(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    SreMatch *m = (SreMatch *)op;
    if (nargs == 0) {
        return match_group_text(m, 0, Py_None);
    }
    if (nargs == 1) {
        return match_getitem(op, args[0]);
    }
    NJ_OWN result = PyTuple_New(nargs);
    for (Py_ssize_t i = 0; result && i < nargs; i++) {
        PyObject *g = match_getitem(op, args[i]);
        if (!g) {
            return NULL;
        }
        PyTuple_SET_ITEM(result, i, g);
    }
    return NJ_TAKE(result);
}

static int
default_arg(const char *fname, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
            PyObject **out)
{
    static const char *const names[] = {"default", NULL};
    NjParams params = {fname, names, 1, 0, 0};
    if (nj_args_bind(&params, args, nargs, kwnames, out) < 0) {
        return -1;
    }
    if (!*out) {
        *out = Py_None;
    }
    return 0;
}

static PyObject *
match_groups(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    SreMatch *m = (SreMatch *)op;
    PyObject *fallback;
    if (default_arg("groups", args, nargs, kwnames, &fallback) < 0) {
        return NULL;
    }
    NJ_OWN result = PyTuple_New(m->groups - 1);
    for (Py_ssize_t i = 1; result && i < m->groups; i++) {
        PyObject *g = match_group_text(m, i, fallback);
        if (!g) {
            return NULL;
        }
        PyTuple_SET_ITEM(result, i - 1, g);
    }
    return NJ_TAKE(result);
}

static PyObject *
match_groupdict(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    SreMatch *m = (SreMatch *)op;
    PyObject *fallback, *key, *value;
    if (default_arg("groupdict", args, nargs, kwnames, &fallback) < 0) {
        return NULL;
    }
    NJ_OWN result = PyDict_New();
    Py_ssize_t pos = 0;
    while (result && m->pattern->groupindex &&
           PyDict_Next(m->pattern->groupindex, &pos, &key, &value)) {
        NJ_OWN k = Py_NewRef(key);
        Py_ssize_t i = group_number(m, k);
        NJ_OWN g = i < 0 ? NULL : match_group_text(m, i, fallback);
        if (!g || PyDict_SetItem(result, k, g) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(result);
}

static Py_ssize_t
group_arg(PyObject *op, const char *name, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional(name, nargs, 0, 1)) {
        return -1;
    }
    return nargs ? group_number((SreMatch *)op, args[0]) : 0;
}

static PyObject *
match_start(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t i = group_arg(op, "start", args, nargs);
    return i < 0 ? NULL : PyLong_FromSsize_t(((SreMatch *)op)->mark[2 * i]);
}

static PyObject *
match_end(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t i = group_arg(op, "end", args, nargs);
    return i < 0 ? NULL : PyLong_FromSsize_t(((SreMatch *)op)->mark[2 * i + 1]);
}

static PyObject *
span_of(SreMatch *m, Py_ssize_t i)
{
    return Py_BuildValue("(nn)", m->mark[2 * i], m->mark[2 * i + 1]);
}

static PyObject *
match_span(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t i = group_arg(op, "span", args, nargs);
    return i < 0 ? NULL : span_of((SreMatch *)op, i);
}

static PyObject *
match_group_for_template(void *from, Py_ssize_t index)
{
    SreMatch *m = from;
    if (index >= m->groups) {
        PyErr_SetString(PyExc_IndexError, "no such group");
        return NULL;
    }
    return match_group_text(m, index, Py_None);
}

static PyObject *
match_expand(PyObject *op, PyTypeObject *cls, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    static const char *const names[] = {"template", NULL};
    static const NjParams params = {"expand", names, 1, 1, 0};
    PyObject *arg;
    SreMatch *m = (SreMatch *)op;
    if (nj_args_bind(&params, args, nargs, kwnames, &arg) < 0) {
        return NULL;
    }
    NJ_OWN template = compile_template(module_of(cls), m->pattern, arg);
    NJ_OWN list = template ? PyList_New(0) : NULL;
    if (!list ||
        expand_into((SreTemplate *)template, list, match_group_for_template, m) < 0) {
        return NULL;
    }
    return join_pieces(list, m->string, !PyUnicode_Check(m->string));
}

static PyObject *
match_repr(PyObject *op)
{
    SreMatch *m = (SreMatch *)op;
    NJ_OWN text = match_group_text(m, 0, Py_None);
    return text ? PyUnicode_FromFormat("<%s object; span=(%zd, %zd), match=%.50R>",
                                       Py_TYPE(op)->tp_name, m->mark[0], m->mark[1], text)
                : NULL;
}

static PyObject *
match_lastindex_get(PyObject *op, void *Py_UNUSED(c))
{
    Py_ssize_t i = ((SreMatch *)op)->lastindex;
    return i >= 0 ? PyLong_FromSsize_t(i) : Py_NewRef(Py_None);
}

static PyObject *
match_lastgroup_get(PyObject *op, void *Py_UNUSED(c))
{
    SreMatch *m = (SreMatch *)op;
    if (m->pattern->indexgroup && m->lastindex >= 0 &&
        m->lastindex < PyTuple_GET_SIZE(m->pattern->indexgroup)) {
        return Py_NewRef(PyTuple_GET_ITEM(m->pattern->indexgroup, m->lastindex));
    }
    Py_RETURN_NONE;
}

static PyObject *
match_regs_get(PyObject *op, void *Py_UNUSED(c))
{
    SreMatch *m = (SreMatch *)op;
    if (!m->regs) {
        NJ_OWN regs = PyTuple_New(m->groups);
        for (Py_ssize_t i = 0; regs && i < m->groups; i++) {
            PyObject *span = span_of(m, i);
            if (!span) {
                return NULL;
            }
            PyTuple_SET_ITEM(regs, i, span);
        }
        m->regs = NJ_TAKE(regs);
    }
    return Py_XNewRef(m->regs);
}

static int
match_traverse(PyObject *op, visitproc visit, void *arg)
{
    SreMatch *m = (SreMatch *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(m->string);
    Py_VISIT(m->regs);
    Py_VISIT(m->pattern);
    return 0;
}

static int
match_clear(PyObject *op)
{
    SreMatch *m = (SreMatch *)op;
    Py_CLEAR(m->string);
    Py_CLEAR(m->regs);
    Py_CLEAR(m->pattern);
    return 0;
}

static void
match_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    match_clear(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyMethodDef match_methods[] = {
    {"group", FUNC(match_group), METH_FASTCALL,
     "group([group1, ...]) -> str or tuple.\n\nThe text of one or more groups; 0 is the "
     "whole match."},
    {"start", FUNC(match_start), METH_FASTCALL,
     "start($self, group=0, /)\n--\n\nWhere the group begins."},
    {"end", FUNC(match_end), METH_FASTCALL,
     "end($self, group=0, /)\n--\n\nWhere the group ends."},
    {"span", FUNC(match_span), METH_FASTCALL,
     "span($self, group=0, /)\n--\n\nThe pair of start and end."},
    {"groups", FUNC(match_groups), METH_FASTCALL | METH_KEYWORDS,
     "groups($self, /, default=None)\n--\n\nA tuple of all groups."},
    {"groupdict", FUNC(match_groupdict), METH_FASTCALL | METH_KEYWORDS,
     "groupdict($self, /, default=None)\n--\n\nA dict of the named groups."},
    {"expand", FUNC(match_expand), METHOD_CLS,
     "expand($self, /, template)\n--\n\nThe template with groups filled in."},
    {"__copy__", return_self, METH_NOARGS, "__copy__($self, /)\n--\n\n"},
    {"__deepcopy__", return_self, METH_O, "__deepcopy__($self, memo, /)\n--\n\n"},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"},
    {0},
};

static PyMemberDef match_members[] = {
    {"string", Py_T_OBJECT_EX, offsetof(SreMatch, string), Py_READONLY, "the subject"},
    {"re", Py_T_OBJECT_EX, offsetof(SreMatch, pattern), Py_READONLY, "the pattern"},
    {"pos", Py_T_PYSSIZET, offsetof(SreMatch, pos), Py_READONLY, "where the search began"},
    {"endpos", Py_T_PYSSIZET, offsetof(SreMatch, endpos), Py_READONLY,
     "where the search had to end"},
    {0},
};

static PyGetSetDef match_getset[] = {
    {"lastindex", match_lastindex_get, NULL, "number of the last group matched", NULL},
    {"lastgroup", match_lastgroup_get, NULL, "name of the last group matched", NULL},
    {"regs", match_regs_get, NULL, NULL, NULL},
    {0},
};

static PyType_Slot match_slots[] = {
    {Py_tp_dealloc, match_dealloc},
    {Py_tp_repr, match_repr},
    {Py_tp_doc, "What match() and search() return."},
    {Py_tp_methods, match_methods},
    {Py_tp_members, match_members},
    {Py_tp_getset, match_getset},
    {Py_tp_traverse, match_traverse},
    {Py_tp_clear, match_clear},
    {Py_mp_subscript, match_getitem},
    {0, NULL},
};

static PyType_Spec match_spec = {
    .name = "re.Match",
    .basicsize = sizeof(SreMatch),
    .itemsize = sizeof(Py_ssize_t),
    .flags = TYPE_FLAGS,
    .slots = match_slots,
};

/* ---- templates ------------------------------------------------------------------------------------------- */

static int
template_traverse(PyObject *op, visitproc visit, void *arg)
{
    SreTemplate *t = (SreTemplate *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(t->literal);
    for (Py_ssize_t i = 0; i < Py_SIZE(t); i++) {
        Py_VISIT(t->items[i].literal);
    }
    return 0;
}

static void
template_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    SreTemplate *t = (SreTemplate *)op;
    PyObject_GC_UnTrack(op);
    Py_XDECREF(t->literal);
    for (Py_ssize_t i = 0; i < Py_SIZE(t); i++) {
        Py_XDECREF(t->items[i].literal);
    }
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyType_Slot template_slots[] = {
    {Py_tp_dealloc, template_dealloc},
    {Py_tp_traverse, template_traverse},
    {0, NULL},
};

static PyType_Spec template_spec = {
    .name = "_sre.SRE_Template",
    .basicsize = sizeof(SreTemplate),
    .itemsize = sizeof(((SreTemplate *)0)->items[0]),
    .flags = TYPE_FLAGS,
    .slots = template_slots,
};

/* NULL for an empty literal. */
static PyObject *
literal_or_null(PyObject *o)
{
    Py_ssize_t n = PyUnicode_Check(o) ? PyUnicode_GET_LENGTH(o) : PyObject_Size(o);
    return n > 0 ? Py_NewRef(o) : NULL;
}

static PyObject *
sre_template(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("template", nargs, 2, 2)) {
        return NULL;
    }
    SreModule *m = PyModule_GetState(module);
    PyObject *list = args[1];
    if (!PyList_Check(list)) {
        _PyArg_BadArgument("template", "argument 2", "list", list);
        return NULL;
    }
    /* literal, (group, literal)... */
    Py_ssize_t n = PyList_GET_SIZE(list);
    if ((n & 1) == 0 || n < 1) {
        PyErr_SetString(PyExc_TypeError, "invalid template");
        return NULL;
    }
    n /= 2;
    SreTemplate *t = PyObject_GC_NewVar(SreTemplate, m->template_, n);
    if (!t) {
        return NULL;
    }
    t->chunks = 1 + 2 * n;
    t->literal = literal_or_null(PyList_GET_ITEM(list, 0));
    for (Py_ssize_t i = 0; i < n; i++) {
        t->items[i].index = 0;
        t->items[i].literal = NULL;
    }
    for (Py_ssize_t i = 0; i < n && !PyErr_Occurred(); i++) {
        t->items[i].index = PyLong_AsSsize_t(PyList_GET_ITEM(list, 2 * i + 1));
        if (t->items[i].index < 0) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_TypeError, "invalid template");
            }
            break;
        }
        t->items[i].literal = literal_or_null(PyList_GET_ITEM(list, 2 * i + 2));
    }
    PyObject_GC_Track(t);
    if (PyErr_Occurred()) {
        Py_DECREF(t);
        return NULL;
    }
    return (PyObject *)t;
}

/* ---- module functions -------------------------------------------------------------------------------------- */

static PyObject *
sre_compile(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
            PyObject *kwnames)
{
    static char *const names[] = {"pattern", "flags",      "code",
                                  "groups",  "groupindex", "indexgroup", NULL};
    PyObject *pattern, *code, *groupindex, *indexgroup;
    int flags;
    Py_ssize_t groups;
    if (!nj_args_parse(args, nargs, kwnames, "OiO!nO!O!:compile", names, &pattern, &flags,
                                     &PyList_Type, &code, &groups, &PyDict_Type,
                                     &groupindex, &PyTuple_Type, &indexgroup)) {
        return NULL;
    }
    SreModule *m = PyModule_GetState(module);
    Py_ssize_t n = PyList_GET_SIZE(code);
    SrePattern *self = PyObject_GC_NewVar(SrePattern, m->pattern, n);
    if (!self) {
        return NULL;
    }
    self->groups = 0;
    self->weaklist = NULL;
    self->bitmaps = NULL;
    self->bitmap_of = NULL;
    self->pattern = Py_NewRef(pattern);
    self->flags = flags;
    self->groupindex = Py_NewRef(groupindex);
    self->indexgroup = Py_NewRef(indexgroup);
    self->isbytes = -1;
    PyObject_GC_Track(self);
    NJ_OWN owner = (PyObject *)self;
    if (pattern != Py_None) {
        if (PyUnicode_Check(pattern)) {
            self->isbytes = 0;
        } else {
            Py_buffer view;
            if (PyObject_GetBuffer(pattern, &view, PyBUF_SIMPLE) < 0) {
                PyErr_Format(PyExc_TypeError, "expected string or bytes-like object, got '%.200s'",
                             Py_TYPE(pattern)->tp_name);
                return NULL;
            }
            PyBuffer_Release(&view);
            self->isbytes = 1;
        }
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned long v = PyLong_AsUnsignedLong(PyList_GET_ITEM(code, i));
        if (v == (unsigned long)-1 && PyErr_Occurred()) {
            if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
                PyErr_SetString(PyExc_OverflowError, "regular expression code size limit exceeded");
            }
            return NULL;
        }
        if (v > UINT32_MAX) {
            PyErr_SetString(PyExc_OverflowError, "regular expression code size limit exceeded");
            return NULL;
        }
        self->code[i] = (SreCode)v;
    }
    self->groups = groups;
    return sre_prepare(self) < 0 ? NULL : NJ_TAKE(owner);
}

static PyObject *
sre_getcodesize(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    return PyLong_FromLong((long)sizeof(SreCode));
}

static int
char_arg(PyObject *o, Py_UCS4 *out)
{
    int v = PyLong_AsInt(o);
    if (v == -1 && PyErr_Occurred()) {
        return -1;
    }
    *out = (Py_UCS4)v;
    return 0;
}

static PyObject *
sre_ascii_iscased(PyObject *Py_UNUSED(m), PyObject *arg)
{
    Py_UCS4 c;
    return char_arg(arg, &c) < 0 ? NULL : PyBool_FromLong(c < 128 && Py_ISALPHA(c));
}

static PyObject *
sre_unicode_iscased(PyObject *Py_UNUSED(m), PyObject *arg)
{
    Py_UCS4 c;
    return char_arg(arg, &c) < 0
               ? NULL
               : PyBool_FromLong(Py_UNICODE_TOLOWER(c) != c || Py_UNICODE_TOUPPER(c) != c);
}

static PyObject *
sre_ascii_tolower(PyObject *Py_UNUSED(m), PyObject *arg)
{
    Py_UCS4 c;
    return char_arg(arg, &c) < 0 ? NULL : PyLong_FromLong((long)sre_lower_ascii(c));
}

static PyObject *
sre_unicode_tolower(PyObject *Py_UNUSED(m), PyObject *arg)
{
    Py_UCS4 c;
    return char_arg(arg, &c) < 0 ? NULL : PyLong_FromLong((long)sre_lower_unicode(c));
}

static PyMethodDef sre_methods[] = {
    {"compile", (PyCFunction)(void *)sre_compile, METH_FASTCALL | METH_KEYWORDS,
     "compile($module, /, pattern, flags, code, groups, groupindex,\n        "
     "indexgroup)\n--\n\n"},
    {"template", FUNC(sre_template), METH_FASTCALL,
     "template($module, pattern, template, /)\n--\n\n"},
    {"getcodesize", sre_getcodesize, METH_NOARGS, "getcodesize($module, /)\n--\n\n"},
    {"ascii_iscased", sre_ascii_iscased, METH_O,
     "ascii_iscased($module, character, /)\n--\n\n"},
    {"unicode_iscased", sre_unicode_iscased, METH_O,
     "unicode_iscased($module, character, /)\n--\n\n"},
    {"ascii_tolower", sre_ascii_tolower, METH_O,
     "ascii_tolower($module, character, /)\n--\n\n"},
    {"unicode_tolower", sre_unicode_tolower, METH_O,
     "unicode_tolower($module, character, /)\n--\n\n"},
    {0},
};

static int
sre_exec(PyObject *module)
{
    SreModule *m = PyModule_GetState(module);
    m->pattern = (PyTypeObject *)PyType_FromModuleAndSpec(module, &pattern_spec, NULL);
    m->match = (PyTypeObject *)PyType_FromModuleAndSpec(module, &match_spec, NULL);
    m->scanner = (PyTypeObject *)PyType_FromModuleAndSpec(module, &scanner_spec, NULL);
    m->template_ = (PyTypeObject *)PyType_FromModuleAndSpec(module, &template_spec, NULL);
    if (!m->pattern || !m->match || !m->scanner || !m->template_) {
        return -1;
    }
    return PyModule_AddIntConstant(module, "MAGIC", SRE_MAGIC) < 0 ||
                   PyModule_AddIntConstant(module, "CODESIZE", sizeof(SreCode)) < 0 ||
                   PyModule_Add(module, "MAXREPEAT", PyLong_FromUnsignedLong(SRE_MAXREPEAT)) <
                       0 ||
                   PyModule_Add(module, "MAXGROUPS", PyLong_FromUnsignedLong(SRE_MAXGROUPS)) <
                       0 ||
                   PyModule_AddStringConstant(module, "copyright",
                                              " Naja's matching engine for re ") < 0
               ? -1
               : 0;
}

static int
sre_traverse(PyObject *module, visitproc visit, void *arg)
{
    SreModule *m = PyModule_GetState(module);
    Py_VISIT(m->pattern);
    Py_VISIT(m->match);
    Py_VISIT(m->scanner);
    Py_VISIT(m->template_);
    Py_VISIT(m->compile_template);
    return 0;
}

static int
sre_clear(PyObject *module)
{
    SreModule *m = PyModule_GetState(module);
    Py_CLEAR(m->pattern);
    Py_CLEAR(m->match);
    Py_CLEAR(m->scanner);
    Py_CLEAR(m->template_);
    Py_CLEAR(m->compile_template);
    return 0;
}

static void
sre_free(void *module)
{
    sre_clear((PyObject *)module);
}

static PyModuleDef_Slot sre_slots[] = {
    {Py_mod_exec, sre_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

struct PyModuleDef nj_sre_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_sre",
    .m_size = sizeof(SreModule),
    .m_methods = sre_methods,
    .m_slots = sre_slots,
    .m_traverse = sre_traverse,
    .m_clear = sre_clear,
    .m_free = sre_free,
};

PyMODINIT_FUNC PyInit__sre(void);

PyMODINIT_FUNC
PyInit__sre(void)
{
    return PyModuleDef_Init(&nj_sre_module);
}

/* code.c - code objects: making, comparing, the location table, co_* attributes, the C API.
 *
 * The layout is the header's, the bytecode lies inline at the end (co_code_adaptive), where
 * the interpreter specialises it in place; co_code is always reconstructed without that.
 * Names, name-like constants and variable names are interned here, once for all ways a
 * code object can come into being (compiler, marshal, replace(), the C API).
 *
 * The location table is a byte sequence of entries (see PEP 626 and the documentation of
 * co_positions); LineScan walks it. Tables from outside are not trusted: every read is
 * bounded by the table's end.
 * SPDX-License-Identifier: MIT
 */
#include "objects/code_int.h"

#include <opcode.h>
#include <structmember.h>

#include "runtime/gc.h"
#include "runtime/state.h"
#include "vm/frame.h"
#include "vm/vm.h"

/* ---- interning ----------------------------------------------------------------------- */

static bool
looks_like_name(PyObject *o)
{
    if (!PyUnicode_IS_ASCII(o)) {
        return false;
    }
    const unsigned char *s = PyUnicode_DATA(o), *e = s + PyUnicode_GET_LENGTH(o);
    for (; s != e; s++) {
        if (!Py_ISALNUM(*s) && *s != '_') {
            return false;
        }
    }
    return true;
}

static int
intern_names(PyObject *tuple)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        PyObject *v = PyTuple_GET_ITEM(tuple, i);
        if (!PyUnicode_CheckExact(v)) {
            PyErr_SetString(PyExc_SystemError, "non-string found in code slot");
            return -1;
        }
        PyUnicode_InternInPlace(&((PyTupleObject *)tuple)->ob_item[i]);
    }
    return 0;
}

/* Interns name-like strings in constants, also inside tuples and frozensets (which are
 * rebuilt when an item changes). 1 when something changed, -1 on error. */
static int
intern_consts(PyObject *tuple)
{
    int modified = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        PyObject **slot = &((PyTupleObject *)tuple)->ob_item[i];
        PyObject *v = *slot;
        if (PyUnicode_CheckExact(v)) {
            if (looks_like_name(v)) {
                PyUnicode_InternInPlace(slot);
                modified |= *slot != v;
            }
        }
        else if (PyTuple_CheckExact(v)) {
            int r = intern_consts(v);
            if (r < 0) {
                return -1;
            }
        }
        else if (PyFrozenSet_CheckExact(v)) {
            NJ_OWN items = PySequence_Tuple(v);
            int r = items == NULL ? -1 : intern_consts(items);
            if (r < 0) {
                return -1;
            }
            if (r) {
                PyObject *fresh = PyFrozenSet_New(items);
                if (fresh == NULL) {
                    return -1;
                }
                Py_SETREF(*slot, fresh);
                modified = 1;
            }
        }
    }
    return modified;
}

/* ---- making -------------------------------------------------------------------------- */

static void
notify_watchers(PyCodeEvent event, PyCodeObject *co)
{
    NjFrontendState *fs = &nj_interp()->frontend;
    for (int i = 0; fs->active_code_watchers >> i; i++) {
        if ((fs->active_code_watchers >> i & 1) && fs->code_watchers[i](event, co) < 0) {
            PyErr_FormatUnraisable("Exception ignored in %s watcher callback for %R",
                                   event == PY_CODE_EVENT_CREATE
                                       ? "PY_CODE_EVENT_CREATE"
                                       : "PY_CODE_EVENT_DESTROY",
                                   (PyObject *)co);
        }
    }
}

static PyObject *strip_columns(PyObject *table, int firstlineno);
static bool keeps_columns(NjFrontendState *fs);
static uint32_t new_code_version(NjFrontendState *fs);

/* What does not depend on the variables. */
static int
check_fields(const NjCodeSpec *s)
{
    if (s->argcount < s->posonlyargcount || s->posonlyargcount < 0 ||
        s->kwonlyargcount < 0 || s->stacksize < 0 || s->flags < 0 || s->code == NULL ||
        !PyBytes_Check(s->code) || s->consts == NULL || !PyTuple_Check(s->consts) ||
        s->names == NULL || !PyTuple_Check(s->names) || s->name == NULL || !PyUnicode_Check(s->name) || s->qualname == NULL ||
        !PyUnicode_Check(s->qualname) || s->filename == NULL ||
        !PyUnicode_Check(s->filename) || s->linetable == NULL ||
        !PyBytes_Check(s->linetable) || s->exceptiontable == NULL ||
        !PyBytes_Check(s->exceptiontable)) {
        PyErr_BadInternalCall();
        return -1;
    }
    return 0;
}

static int
check_spec(const NjCodeSpec *s)
{
    if (check_fields(s) < 0) {
        return -1;
    }
    if (s->localsplusnames == NULL || !PyTuple_Check(s->localsplusnames) ||
        s->localspluskinds == NULL || !PyBytes_Check(s->localspluskinds) ||
        PyTuple_GET_SIZE(s->localsplusnames) != PyBytes_GET_SIZE(s->localspluskinds)) {
        PyErr_BadInternalCall();
        return -1;
    }
    if (PyBytes_GET_SIZE(s->code) > INT_MAX || PyBytes_GET_SIZE(s->code) % 2 != 0) {
        PyErr_SetString(PyExc_ValueError, "code: co_code is malformed");
        return -1;
    }
    return 0;
}

PyCodeObject *
nj_code_new(const NjCodeSpec *s)
{
    if (check_spec(s) < 0) {
        return NULL;
    }
    int nlocals = 0, ncells = 0, nfrees = 0;
    Py_ssize_t nplus = PyTuple_GET_SIZE(s->localsplusnames);
    const char *kinds = PyBytes_AS_STRING(s->localspluskinds);
    for (Py_ssize_t i = 0; i < nplus; i++) {
        nlocals += (kinds[i] & CO_FAST_LOCAL) != 0;
        ncells += (kinds[i] & CO_FAST_CELL) != 0;
        nfrees += ((unsigned char)kinds[i] & CO_FAST_FREE) != 0;
    }
    int nparams = s->argcount + s->kwonlyargcount + ((s->flags & CO_VARARGS) != 0) +
                  ((s->flags & CO_VARKEYWORDS) != 0);
    if (nparams > nlocals || s->argcount > INT_MAX / 2 || s->kwonlyargcount > INT_MAX / 2) {
        PyErr_SetString(PyExc_ValueError, "code: co_varnames is too small");
        return NULL;
    }
    int framesize = (int)nplus + s->stacksize + (int)NJ_FRAME_WORDS;
    if (s->stacksize > INT_MAX / (int)sizeof(PyObject *) - nplus - 64) {
        PyErr_SetString(PyExc_OverflowError, "code: co_stacksize is too large");
        return NULL;
    }
    if (intern_names(s->names) < 0 || intern_consts(s->consts) < 0 ||
        intern_names(s->localsplusnames) < 0) {
        return NULL;
    }
    NJ_OWN linetable = keeps_columns(&nj_interp()->frontend)
                           ? Py_NewRef(s->linetable)
                           : strip_columns(s->linetable, s->firstlineno);
    if (linetable == NULL) {
        return NULL;
    }
    Py_ssize_t units = PyBytes_GET_SIZE(s->code) / 2;
    size_t size = offsetof(PyCodeObject, co_code_adaptive) + (size_t)units * 2;
    size = Py_MAX(size, sizeof(PyCodeObject));
    PyCodeObject *co = PyObject_Malloc(size);
    if (co == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    memset(co, 0, offsetof(PyCodeObject, co_code_adaptive));
    PyObject_InitVar((PyVarObject *)co, &PyCode_Type, units);
    co->co_filename = Py_NewRef(s->filename);
    PyObject *name = Py_NewRef(s->name), *qualname = Py_NewRef(s->qualname);
    PyUnicode_InternInPlace(&name);
    PyUnicode_InternInPlace(&qualname);
    co->co_name = name;
    co->co_qualname = qualname;
    co->co_flags = s->flags;
    co->co_firstlineno = s->firstlineno;
    co->co_linetable = NJ_TAKE(linetable);
    co->co_consts = Py_NewRef(s->consts);
    co->co_names = Py_NewRef(s->names);
    co->co_localsplusnames = Py_NewRef(s->localsplusnames);
    co->co_localspluskinds = Py_NewRef(s->localspluskinds);
    co->co_argcount = s->argcount;
    co->co_posonlyargcount = s->posonlyargcount;
    co->co_kwonlyargcount = s->kwonlyargcount;
    co->co_stacksize = s->stacksize;
    co->co_exceptiontable = Py_NewRef(s->exceptiontable);
    co->co_nlocalsplus = (int)nplus;
    co->co_nlocals = nlocals;
    co->co_ncellvars = ncells;
    co->co_nfreevars = nfrees;
    co->co_framesize = framesize;
    NjFrontendState *fs = &nj_interp()->frontend;
    co->co_version = new_code_version(fs);
    co->_co_unique_id = -1;
    memcpy(co->co_code_adaptive, PyBytes_AS_STRING(s->code), (size_t)units * 2);
    int entry = 0;
    while (entry < units && (uint8_t)co->co_code_adaptive[2 * entry] != RESUME) {
        entry++;
    }
    co->_co_firsttraceable = entry < units ? entry : (int)units;
    nj_specialize_init_code(co);
    if (fs->active_code_watchers) {
        notify_watchers(PY_CODE_EVENT_CREATE, co);
    }
    return co;
}

/* From names by kind, as the C API and replace() have them. */
static PyCodeObject *
new_from_vars(NjCodeSpec *s, int nlocals, PyObject *varnames, PyObject *cellvars,
              PyObject *freevars)
{
    if (varnames == NULL || !PyTuple_Check(varnames) || cellvars == NULL ||
        !PyTuple_Check(cellvars) || freevars == NULL || !PyTuple_Check(freevars)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (check_fields(s) < 0) {
        return NULL;
    }
    Py_ssize_t nvars = PyTuple_GET_SIZE(varnames), ncells = PyTuple_GET_SIZE(cellvars),
               nfrees = PyTuple_GET_SIZE(freevars);
    if (s->argcount + s->kwonlyargcount + ((s->flags & CO_VARARGS) != 0) +
            ((s->flags & CO_VARKEYWORDS) != 0) >
        nvars) {
        PyErr_SetString(PyExc_ValueError, "code: co_varnames is too small");
        return NULL;
    }
    if (nlocals != nvars) {
        PyErr_SetString(PyExc_ValueError, "code: co_nlocals != len(co_varnames)");
        return NULL;
    }
    NJ_OWN names = PyList_New(0);
    NJ_OWN_MEM(char) kinds = PyMem_Malloc(nvars + ncells + nfrees + 1);
    if (names == NULL || kinds == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    int npos = s->posonlyargcount, nargs = s->argcount, nkw = s->kwonlyargcount;
    int varargs = (s->flags & CO_VARARGS) != 0, varkw = (s->flags & CO_VARKEYWORDS) != 0;
    for (Py_ssize_t i = 0; i < nvars; i++) {
        int kind = CO_FAST_LOCAL;
        kind |= i < npos                                    ? CO_FAST_ARG_POS
                : i < nargs                                 ? CO_FAST_ARG_POS | CO_FAST_ARG_KW
                : i < nargs + nkw                           ? CO_FAST_ARG_KW
                : i < nargs + nkw + varargs                 ? CO_FAST_ARG_VAR | CO_FAST_ARG_POS
                : i < nargs + nkw + varargs + varkw         ? CO_FAST_ARG_VAR | CO_FAST_ARG_KW
                                                            : 0;
        kinds[i] = (char)kind;
        if (PyList_Append(names, PyTuple_GET_ITEM(varnames, i)) < 0) {
            return NULL;
        }
    }
    Py_ssize_t at = nvars;
    for (Py_ssize_t i = 0; i < ncells; i++) {
        PyObject *cell = PyTuple_GET_ITEM(cellvars, i);
        Py_ssize_t k = 0;
        for (; k < nvars; k++) {
            int same = PyObject_RichCompareBool(PyTuple_GET_ITEM(varnames, k), cell, Py_EQ);
            if (same < 0) {
                return NULL;
            }
            if (same) {
                break;
            }
        }
        if (k < nvars) {
            kinds[k] |= CO_FAST_CELL;
            continue;
        }
        kinds[at++] = CO_FAST_CELL;
        if (PyList_Append(names, cell) < 0) {
            return NULL;
        }
    }
    for (Py_ssize_t i = 0; i < nfrees; i++) {
        kinds[at++] = (char)CO_FAST_FREE;
        if (PyList_Append(names, PyTuple_GET_ITEM(freevars, i)) < 0) {
            return NULL;
        }
    }
    NJ_OWN tuple = PyList_AsTuple(names);
    NJ_OWN kind_bytes = PyBytes_FromStringAndSize(kinds, at);
    if (tuple == NULL || kind_bytes == NULL) {
        return NULL;
    }
    s->localsplusnames = tuple;
    s->localspluskinds = kind_bytes;
    return nj_code_new(s);
}

/* ---- attributes ---------------------------------------------------------------------- */

PyObject *
nj_code_bytes(PyCodeObject *co)
{
    _PyCoCached *cached = co->_co_cached;
    if (cached != NULL && cached->_co_code != NULL) {
        return Py_NewRef(cached->_co_code);
    }
    Py_ssize_t n = Py_SIZE(co);
    NJ_OWN bytes = PyBytes_FromStringAndSize(co->co_code_adaptive, n * 2);
    if (bytes == NULL) {
        return NULL;
    }
    uint8_t *p = (uint8_t *)PyBytes_AS_STRING(bytes);
    for (Py_ssize_t i = 0; i < n;) {
        uint8_t op = nj_code_original_opcode(co, (int)i);
        int caches = nj_opcode_caches[op];
        p[2 * i] = op;
        if (op == ENTER_EXECUTOR) {
            p[2 * i] = JUMP_BACKWARD;
        }
        i++;
        for (int k = 0; k < caches && i < n; k++, i++) {
            p[2 * i] = p[2 * i + 1] = 0;
        }
    }
    if (cached == NULL) {
        cached = co->_co_cached = PyMem_Calloc(1, sizeof(_PyCoCached));
    }
    if (cached != NULL) {
        cached->_co_code = Py_NewRef(bytes);
    }
    return NJ_TAKE(bytes);
}

static PyObject *
names_of_kind(PyCodeObject *co, int kind, int n)
{
    NJ_OWN tuple = PyTuple_New(n);
    if (tuple == NULL) {
        return NULL;
    }
    const unsigned char *kinds =
        (const unsigned char *)PyBytes_AS_STRING(co->co_localspluskinds);
    int at = 0;
    for (int i = 0; i < co->co_nlocalsplus; i++) {
        if (kinds[i] & kind) {
            PyTuple_SET_ITEM(tuple, at++,
                             Py_NewRef(PyTuple_GET_ITEM(co->co_localsplusnames, i)));
        }
    }
    return NJ_TAKE(tuple);
}

static PyObject *
cached_names(PyCodeObject *co, size_t slot, int kind, int n)
{
    if (co->_co_cached == NULL) {
        co->_co_cached = PyMem_Calloc(1, sizeof(_PyCoCached));
        if (co->_co_cached == NULL) {
            return PyErr_NoMemory();
        }
    }
    PyObject **p = (PyObject **)((char *)co->_co_cached + slot);
    if (*p == NULL) {
        *p = names_of_kind(co, kind, n);
    }
    return Py_XNewRef(*p);
}

static PyObject *
code_get_varnames(PyObject *self, void *unused)
{
    PyCodeObject *co = (PyCodeObject *)self;
    return cached_names(co, offsetof(_PyCoCached, _co_varnames), CO_FAST_LOCAL,
                        co->co_nlocals);
}

static PyObject *
code_get_cellvars(PyObject *self, void *unused)
{
    PyCodeObject *co = (PyCodeObject *)self;
    return cached_names(co, offsetof(_PyCoCached, _co_cellvars), CO_FAST_CELL,
                        co->co_ncellvars);
}

static PyObject *
code_get_freevars(PyObject *self, void *unused)
{
    PyCodeObject *co = (PyCodeObject *)self;
    return cached_names(co, offsetof(_PyCoCached, _co_freevars), CO_FAST_FREE,
                        co->co_nfreevars);
}

static PyObject *
code_get_code(PyObject *self, void *unused)
{
    return nj_code_bytes((PyCodeObject *)self);
}

static PyObject *
code_get_adaptive(PyObject *self, void *unused)
{
    PyCodeObject *co = (PyCodeObject *)self;
    PyObject *r = PyBytes_FromStringAndSize(co->co_code_adaptive, Py_SIZE(co) * 2);
    if (r == NULL) {
        return NULL;
    }
    /* tools know no opcodes of ours */
    unsigned char *p = (unsigned char *)PyBytes_AS_STRING(r);
    for (Py_ssize_t i = 0; i < Py_SIZE(co);) {
        unsigned char op = p[2 * i];
        if (op >= NJ_OP_PRIVATE_FIRST && op <= NJ_OP_PRIVATE_LAST) {
            p[2 * i] = op == NJ_OP_FLOAT_MIXED ? BINARY_OP_EXTEND : nj_opcode_deopt[op];
        }
        i += 1 + nj_opcode_caches[nj_code_original_opcode(co, (int)i)];
    }
    return r;
}

/* ---- the location table -------------------------------------------------------------- */

typedef struct LineScan {
    const uint8_t *p;
    const uint8_t *end;
    int start;     /* byte offsets of the current entry */
    int stop;
    int line;      /* running line */
    int lineno;    /* of the current entry, -1: none */
    int end_line;
    int col;
    int end_col;
} LineScan;

static void
scan_init(LineScan *s, PyCodeObject *co)
{
    s->p = (const uint8_t *)PyBytes_AS_STRING(co->co_linetable);
    s->end = s->p + PyBytes_GET_SIZE(co->co_linetable);
    s->start = s->stop = 0;
    s->line = co->co_firstlineno;
    s->lineno = s->end_line = s->col = s->end_col = -1;
}

static unsigned
scan_varint(LineScan *s)
{
    unsigned v = 0;
    int shift = 0;
    while (s->p < s->end) {
        unsigned b = *s->p++;
        if (shift < 32) {
            v |= (b & 63) << shift;
        }
        shift += 6;
        if (!(b & 64)) {
            break;
        }
    }
    return v;
}

static int
scan_svarint(LineScan *s)
{
    unsigned u = scan_varint(s);
    return u & 1 ? -(int)(u >> 1) : (int)(u >> 1);
}

/* Moves to the next entry; false at the end. */
static bool
scan_next(LineScan *s)
{
    if (s->p >= s->end) {
        return false;
    }
    unsigned first = *s->p++;
    int kind = (first >> 3) & 15;
    s->start = s->stop;
    s->stop += ((int)(first & 7) + 1) * 2;
    s->col = s->end_col = -1;
    switch (kind) {
    case PY_CODE_LOCATION_INFO_NONE:
        s->lineno = s->end_line = -1;
        break;
    case PY_CODE_LOCATION_INFO_LONG:
        s->line += scan_svarint(s);
        s->lineno = s->line;
        s->end_line = s->line + (int)scan_varint(s);
        s->col = (int)scan_varint(s) - 1;
        s->end_col = (int)scan_varint(s) - 1;
        break;
    case PY_CODE_LOCATION_INFO_NO_COLUMNS:
        s->line += scan_svarint(s);
        s->lineno = s->end_line = s->line;
        break;
    case PY_CODE_LOCATION_INFO_ONE_LINE0:
    case PY_CODE_LOCATION_INFO_ONE_LINE1:
    case PY_CODE_LOCATION_INFO_ONE_LINE2:
        s->line += kind - PY_CODE_LOCATION_INFO_ONE_LINE0;
        s->lineno = s->end_line = s->line;
        s->col = s->p < s->end ? *s->p++ : 0;
        s->end_col = s->p < s->end ? *s->p++ : 0;
        break;
    default: {
        unsigned second = s->p < s->end ? *s->p++ : 0;
        s->lineno = s->end_line = s->line;
        s->col = kind << 3 | (int)(second >> 4);
        s->end_col = s->col + (int)(second & 15);
    }
    }
    return true;
}

static int
add_bytes(PyObject *array, const uint8_t *p, Py_ssize_t n)
{
    Py_ssize_t len = PyByteArray_GET_SIZE(array);
    if (PyByteArray_Resize(array, len + n) < 0) {
        return -1;
    }
    memcpy(PyByteArray_AS_STRING(array) + len, p, n);
    return 0;
}

/* The table without columns and end lines (-X no_debug_ranges). */
static PyObject *
strip_columns(PyObject *table, int firstlineno)
{
    LineScan s = {.p = (const uint8_t *)PyBytes_AS_STRING(table), .line = firstlineno};
    s.end = s.p + PyBytes_GET_SIZE(table);
    NJ_OWN out = PyByteArray_FromStringAndSize(NULL, 0);
    int line = firstlineno;
    while (out != NULL && scan_next(&s)) {
        uint8_t buf[8] = {0};
        Py_ssize_t n = 1;
        int size = (s.stop - s.start) / 2 - 1;
        if (s.lineno < 0) {
            buf[0] = (uint8_t)(0x80 | PY_CODE_LOCATION_INFO_NONE << 3 | size);
        }
        else {
            buf[0] = (uint8_t)(0x80 | PY_CODE_LOCATION_INFO_NO_COLUMNS << 3 | size);
            int delta = s.lineno - line;
            unsigned u = delta < 0 ? (0u - (unsigned)delta) << 1 | 1 : (unsigned)delta << 1;
            while (u >= 64) {
                buf[n++] = (uint8_t)(0x40 | (u & 0x3f));
                u >>= 6;
            }
            buf[n++] = (uint8_t)u;
            line = s.lineno;
        }
        if (add_bytes(out, buf, n) < 0) {
            return NULL;
        }
    }
    return out == NULL ? NULL : PyBytes_FromObject(out);
}

/* Does this interpreter keep columns? Asked once; the answer is in the two top bits of the
 * version counter: 0 not asked yet, 1 kept, 2 dropped. */
#define VERSION_BITS 30

static bool
keeps_columns(NjFrontendState *fs)
{
    if (fs->next_code_version >> VERSION_BITS == 0) {
        int v;
        if (PyConfig_GetInt("code_debug_ranges", &v) < 0) {
            PyErr_Clear();
            return true;
        }
        fs->next_code_version |= (v ? 1u : 2u) << VERSION_BITS;
    }
    return fs->next_code_version >> VERSION_BITS == 1;
}

/* The next version number; 0 when there are no more. */
static uint32_t
new_code_version(NjFrontendState *fs)
{
    const uint32_t mask = ((uint32_t)1 << VERSION_BITS) - 1;
    uint32_t v = (fs->next_code_version & mask) + 1;
    if (v > mask) {
        return 0;
    }
    fs->next_code_version = (fs->next_code_version & ~mask) | v;
    return v;
}

int
PyCode_Addr2Line(PyCodeObject *co, int addrq)
{
    if (addrq < 0) {
        return co->co_firstlineno;
    }
    LineScan s;
    scan_init(&s, co);
    while (scan_next(&s)) {
        if (s.stop > addrq) {
            return s.lineno;
        }
    }
    return -1;
}

int
PyCode_Addr2Location(PyCodeObject *co, int addrq, int *start_line, int *start_column,
                     int *end_line, int *end_column)
{
    *start_line = *end_line = co->co_firstlineno;
    *start_column = *end_column = 0;
    if (addrq < 0) {
        return 1;
    }
    LineScan s;
    scan_init(&s, co);
    while (scan_next(&s)) {
        if (s.stop > addrq) {
            *start_line = s.lineno;
            *start_column = s.col;
            *end_line = s.end_line;
            *end_column = s.end_col;
            return 1;
        }
    }
    *start_line = *end_line = *start_column = *end_column = -1;
    return 1;
}

int
_PyCode_CheckLineNumber(int lasti, PyCodeAddressRange *bounds)
{
    /* bounds comes from outside and describes the table it was made for: walk on. */
    while (bounds->ar_end <= lasti) {
        if (bounds->opaque.lo_next >= bounds->opaque.limit) {
            return -1;
        }
        LineScan s = {.p = bounds->opaque.lo_next,
                      .end = bounds->opaque.limit,
                      .stop = bounds->ar_end,
                      .line = bounds->opaque.computed_line};
        scan_next(&s);
        bounds->opaque.lo_next = s.p;
        bounds->opaque.computed_line = s.line;
        bounds->ar_start = s.start;
        bounds->ar_end = s.stop;
        bounds->ar_line = s.lineno;
    }
    return bounds->ar_line;
}

/* -- iterators: co_lines(), co_positions(), co_branches() -- */

typedef struct NjCodeIter {
    PyObject_HEAD
    PyCodeObject *code;
    LineScan scan;
    int offset;
    bool pending; /* lines: scan holds an entry not given out yet */
    bool more;
} NjCodeIter;

static void
iter_dealloc(PyObject *self)
{
    Py_XDECREF(((NjCodeIter *)self)->code);
    PyObject_Free(self);
}

static PyObject *
new_iter(PyTypeObject *tp, PyCodeObject *co)
{
    NjCodeIter *it = PyObject_New(NjCodeIter, tp);
    if (it == NULL) {
        return NULL;
    }
    it->code = (PyCodeObject *)Py_NewRef(co);
    scan_init(&it->scan, co);
    it->offset = 0;
    it->pending = false;
    it->more = true;
    return (PyObject *)it;
}

static PyObject *
int_or_none(int v)
{
    return v < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(v);
}

static PyObject *
lines_next(PyObject *self)
{
    NjCodeIter *it = (NjCodeIter *)self;
    if (!it->pending && !(it->more = scan_next(&it->scan))) {
        return NULL;
    }
    it->pending = false;
    int start = it->scan.start, stop = it->scan.stop, line = it->scan.lineno;
    while ((it->more = scan_next(&it->scan))) {
        if (it->scan.lineno != line) {
            it->pending = true;
            break;
        }
        stop = it->scan.stop;
    }
    return Py_BuildValue("(iiN)", start, stop, int_or_none(line));
}

static PyObject *
positions_next(PyObject *self)
{
    NjCodeIter *it = (NjCodeIter *)self;
    while (it->offset >= it->scan.stop) {
        if (!scan_next(&it->scan)) {
            return NULL;
        }
    }
    it->offset += 2;
    return Py_BuildValue("(NNNN)", int_or_none(it->scan.lineno),
                         int_or_none(it->scan.end_line), int_or_none(it->scan.col),
                         int_or_none(it->scan.end_col));
}

static PyObject *
branches_next(PyObject *self)
{
    NjCodeIter *it = (NjCodeIter *)self;
    Py_ssize_t n = Py_SIZE(it->code);
    int arg = 0;
    while (it->offset < n) {
        int at = it->offset;
        uint8_t op = nj_code_original_opcode(it->code, at);
        arg = (arg << 8) | (uint8_t)it->code->co_code_adaptive[2 * at + 1];
        it->offset = at + 1 + nj_opcode_caches[op];
        switch (op) {
        case EXTENDED_ARG:
            continue;
        case FOR_ITER:
        case POP_JUMP_IF_FALSE:
        case POP_JUMP_IF_TRUE:
        case POP_JUMP_IF_NONE:
        case POP_JUMP_IF_NOT_NONE: {
            int next = it->offset, target = next + arg;
            /* For loops the marker is the END_FOR; what is left of them is behind. */
            int not_taken = next + (op != FOR_ITER);
            if (op == FOR_ITER) {
                target += 2;
            }
            return Py_BuildValue("(iii)", at * 2, not_taken * 2, target * 2);
        }
        case END_ASYNC_FOR: {
            int src = it->offset - arg;
            return Py_BuildValue("(iii)", src * 2, (src + 2) * 2, it->offset * 2);
        }
        }
        arg = 0;
    }
    return NULL;
}

#define CODE_ITER_TYPE(Name, text, next)                                               \
    PyTypeObject Name = {                                                              \
        PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = text,                         \
        .tp_basicsize = sizeof(NjCodeIter),                                            \
        .tp_dealloc = iter_dealloc,                                                    \
        .tp_getattro = PyObject_GenericGetAttr,                                        \
        .tp_flags = Py_TPFLAGS_DEFAULT,                                                \
        .tp_iter = PyObject_SelfIter,                                                  \
        .tp_iternext = next,                                                           \
    }
CODE_ITER_TYPE(NjCodeLines_Type, "line_iterator", lines_next);
CODE_ITER_TYPE(NjCodePositions_Type, "positions_iterator", positions_next);
CODE_ITER_TYPE(NjCodeBranches_Type, "line_iterator", branches_next);

static PyObject *
code_lines(PyObject *self, PyObject *unused)
{
    return new_iter(&NjCodeLines_Type, (PyCodeObject *)self);
}

static PyObject *
code_positions(PyObject *self, PyObject *unused)
{
    return new_iter(&NjCodePositions_Type, (PyCodeObject *)self);
}

static PyObject *
code_branches(PyObject *self, PyObject *unused)
{
    return new_iter(&NjCodeBranches_Type, (PyCodeObject *)self);
}

/* The line table in the format of Python 3.9 and before. */
static PyObject *
code_get_lnotab(PyObject *self, void *unused)
{
    if (PyErr_WarnEx(PyExc_DeprecationWarning,
                     "co_lnotab is deprecated, use co_lines instead.", 1) < 0) {
        return NULL;
    }
    PyCodeObject *co = (PyCodeObject *)self;
    NJ_OWN out = PyByteArray_FromStringAndSize(NULL, 0);
    if (out == NULL) {
        return NULL;
    }
    LineScan s;
    scan_init(&s, co);
    int line = co->co_firstlineno, code = 0;
    while (scan_next(&s)) {
        if (s.lineno < 0 || s.lineno == line) {
            continue;
        }
        int sdelta = s.start - code, ldelta = s.lineno - line;
        code = s.start;
        line = s.lineno;
        char buf[2];
        Py_ssize_t n;
#define EMIT(a, b)                                                                     \
    do {                                                                               \
        buf[0] = (char)(a);                                                            \
        buf[1] = (char)(b);                                                            \
        n = PyByteArray_GET_SIZE(out);                                                 \
        if (PyByteArray_Resize(out, n + 2) < 0) {                                      \
            return NULL;                                                               \
        }                                                                              \
        memcpy(PyByteArray_AS_STRING(out) + n, buf, 2);                                \
    } while (0)
        while (sdelta > 255) {
            EMIT(255, 0);
            sdelta -= 255;
        }
        while (ldelta > 127) {
            EMIT(sdelta, 127);
            sdelta = 0;
            ldelta -= 127;
        }
        while (ldelta < -128) {
            EMIT(sdelta, -128);
            sdelta = 0;
            ldelta += 128;
        }
        EMIT(sdelta, ldelta);
    }
    return PyBytes_FromObject(out);
}

/* ---- object protocol ----------------------------------------------------------------- */

static void
code_dealloc(PyObject *self)
{
    PyCodeObject *co = (PyCodeObject *)self;
    NjInterp *interp = nj_interp();
    if (interp->frontend.active_code_watchers) {
        PyObject *exc = PyErr_GetRaisedException();
        Py_SET_REFCNT(self, 1);
        notify_watchers(PY_CODE_EVENT_DESTROY, co);
        Py_SET_REFCNT(self, Py_REFCNT(self) - 1);
        PyErr_SetRaisedException(exc);
        if (Py_REFCNT(self) > 0) {
            return; /* resurrected */
        }
    }
    interp->code_generation++;
    if (co->co_weakreflist != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    if (co->_co_monitoring != NULL) {
        nj_monitor_code_free(co);
    }
    if (co->co_extra != NULL) {
        Py_ssize_t n = ((Py_ssize_t *)co->co_extra)[0];
        void **slots = (void **)co->co_extra + 1;
        for (Py_ssize_t i = 0; i < n; i++) {
            freefunc f = interp->vm.code_extra_free[i];
            if (f != NULL) {
                f(slots[i]);
            }
        }
        PyMem_Free(co->co_extra);
    }
    Py_XDECREF(co->co_consts);
    Py_XDECREF(co->co_names);
    Py_XDECREF(co->co_localsplusnames);
    Py_XDECREF(co->co_localspluskinds);
    Py_XDECREF(co->co_filename);
    Py_XDECREF(co->co_name);
    Py_XDECREF(co->co_qualname);
    Py_XDECREF(co->co_linetable);
    Py_XDECREF(co->co_exceptiontable);
    if (co->_co_cached != NULL) {
        Py_XDECREF(co->_co_cached->_co_code);
        Py_XDECREF(co->_co_cached->_co_varnames);
        Py_XDECREF(co->_co_cached->_co_cellvars);
        Py_XDECREF(co->_co_cached->_co_freevars);
        PyMem_Free(co->_co_cached);
    }
    PyObject_Free(co);
}

static PyObject *
code_repr(PyObject *self)
{
    PyCodeObject *co = (PyCodeObject *)self;
    int line = co->co_firstlineno != 0 ? co->co_firstlineno : -1;
    if (co->co_filename && PyUnicode_Check(co->co_filename)) {
        return PyUnicode_FromFormat("<code object %U at %p, file \"%U\", line %d>",
                                    co->co_name, co, co->co_filename, line);
    }
    return PyUnicode_FromFormat("<code object %U at %p, file ???, line %d>", co->co_name, co,
                                line);
}

PyObject *
_PyCode_ConstantKey(PyObject *op)
{
    return nj_code_const_key(op);
}

/* A key that compares equal only for constants that may be one object: types count, and
 * so do the signs of zeros. */
PyObject *
nj_code_const_key(PyObject *op)
{
    if (op == Py_None || op == Py_Ellipsis || PyLong_CheckExact(op) ||
        PyUnicode_CheckExact(op) || PyCode_Check(op)) {
        return Py_NewRef(op);
    }
    if (PyBool_Check(op) || PyBytes_CheckExact(op)) {
        return PyTuple_Pack(2, Py_TYPE(op), op);
    }
    if (PyFloat_CheckExact(op)) {
        double d = PyFloat_AS_DOUBLE(op);
        return d == 0.0 && signbit(d) ? PyTuple_Pack(3, Py_TYPE(op), op, Py_None)
                                      : PyTuple_Pack(2, Py_TYPE(op), op);
    }
    if (PyComplex_CheckExact(op)) {
        Py_complex z = PyComplex_AsCComplex(op);
        int re = z.real == 0.0 && signbit(z.real), im = z.imag == 0.0 && signbit(z.imag);
        if (re && im) {
            return PyTuple_Pack(3, Py_TYPE(op), op, Py_True);
        }
        if (im) {
            return PyTuple_Pack(3, Py_TYPE(op), op, Py_False);
        }
        if (re) {
            return PyTuple_Pack(3, Py_TYPE(op), op, Py_None);
        }
        return PyTuple_Pack(2, Py_TYPE(op), op);
    }
    if (PyTuple_CheckExact(op)) {
        Py_ssize_t n = PyTuple_GET_SIZE(op);
        NJ_OWN keys = PyTuple_New(n);
        for (Py_ssize_t i = 0; keys != NULL && i < n; i++) {
            PyObject *k = nj_code_const_key(PyTuple_GET_ITEM(op, i));
            if (k == NULL) {
                return NULL;
            }
            PyTuple_SET_ITEM(keys, i, k);
        }
        return keys == NULL ? NULL : PyTuple_Pack(2, Py_TYPE(op), keys);
    }
    if (PyFrozenSet_CheckExact(op)) {
        NJ_OWN items = PySequence_Tuple(op);
        if (items == NULL) {
            return NULL;
        }
        Py_ssize_t n = PyTuple_GET_SIZE(items);
        NJ_OWN keys = PyTuple_New(n);
        for (Py_ssize_t i = 0; keys != NULL && i < n; i++) {
            PyObject *k = nj_code_const_key(PyTuple_GET_ITEM(items, i));
            if (k == NULL) {
                return NULL;
            }
            PyTuple_SET_ITEM(keys, i, k);
        }
        NJ_OWN set = keys == NULL ? NULL : PyFrozenSet_New(keys);
        return set == NULL ? NULL : PyTuple_Pack(2, Py_TYPE(op), set);
    }
    if (PySlice_Check(op)) {
        PySliceObject *s = (PySliceObject *)op;
        NJ_OWN a = nj_code_const_key(s->start);
        NJ_OWN b = nj_code_const_key(s->stop);
        NJ_OWN c = nj_code_const_key(s->step);
        NJ_OWN t = a && b && c ? PyTuple_Pack(3, a, b, c) : NULL;
        return t == NULL ? NULL : PyTuple_Pack(2, Py_TYPE(op), t);
    }
    NJ_OWN id = PyLong_FromVoidPtr(op);
    return id == NULL ? NULL : PyTuple_Pack(2, op, id);
}

static int
same_const(PyObject *a, PyObject *b)
{
    NJ_OWN ka = nj_code_const_key(a);
    NJ_OWN kb = nj_code_const_key(b);
    return ka == NULL || kb == NULL ? -1 : PyObject_RichCompareBool(ka, kb, Py_EQ);
}

static PyObject *
code_richcompare(PyObject *self, PyObject *other, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !PyCode_Check(self) || !PyCode_Check(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyCodeObject *a = (PyCodeObject *)self, *b = (PyCodeObject *)other;
    int eq = PyObject_RichCompareBool(a->co_name, b->co_name, Py_EQ);
    bool same = a->co_argcount == b->co_argcount &&
                a->co_posonlyargcount == b->co_posonlyargcount &&
                a->co_kwonlyargcount == b->co_kwonlyargcount &&
                a->co_flags == b->co_flags && a->co_firstlineno == b->co_firstlineno &&
                Py_SIZE(a) == Py_SIZE(b);
    if (eq > 0) {
        eq = same;
    }
    for (Py_ssize_t i = 0; eq > 0 && i < Py_SIZE(a);) {
        uint8_t opa = nj_code_original_opcode(a, (int)i);
        eq = opa == nj_code_original_opcode(b, (int)i) &&
             a->co_code_adaptive[2 * i + 1] == b->co_code_adaptive[2 * i + 1];
        i += 1 + nj_opcode_caches[opa];
    }
    if (eq > 0) {
        eq = same_const(a->co_consts, b->co_consts);
    }
    PyObject *pairs[][2] = {{a->co_names, b->co_names},
                            {a->co_localsplusnames, b->co_localsplusnames},
                            {a->co_linetable, b->co_linetable},
                            {a->co_exceptiontable, b->co_exceptiontable}};
    for (size_t i = 0; eq > 0 && i < NJ_ARRAY_LEN(pairs); i++) {
        eq = PyObject_RichCompareBool(pairs[i][0], pairs[i][1], Py_EQ);
    }
    if (eq < 0) {
        return NULL;
    }
    return PyBool_FromLong(op == Py_EQ ? eq : !eq);
}

static Py_hash_t
code_hash(PyObject *self)
{
    PyCodeObject *co = (PyCodeObject *)self;
    Py_uhash_t h = 20221211;
    PyObject *parts[] = {co->co_name, co->co_consts, co->co_names, co->co_localsplusnames,
                         co->co_linetable, co->co_exceptiontable};
    for (size_t i = 0; i < NJ_ARRAY_LEN(parts); i++) {
        Py_hash_t k = PyObject_Hash(parts[i]);
        if (k == -1) {
            return -1;
        }
        h = (h ^ (Py_uhash_t)k) * 1000003u;
    }
    Py_uhash_t ints[] = {(Py_uhash_t)co->co_argcount, (Py_uhash_t)co->co_posonlyargcount,
                         (Py_uhash_t)co->co_kwonlyargcount, (Py_uhash_t)co->co_flags,
                         (Py_uhash_t)co->co_firstlineno, (Py_uhash_t)Py_SIZE(co)};
    for (size_t i = 0; i < NJ_ARRAY_LEN(ints); i++) {
        h = (h ^ ints[i]) * 1000003u;
    }
    for (Py_ssize_t i = 0; i < Py_SIZE(co);) {
        uint8_t op = nj_code_original_opcode(co, (int)i);
        h = (h ^ op) * 1000003u;
        h = (h ^ (uint8_t)co->co_code_adaptive[2 * i + 1]) * 1000003u;
        i += 1 + nj_opcode_caches[op];
    }
    Py_hash_t r = (Py_hash_t)h;
    return r == -1 ? -2 : r;
}

static PyObject *
code_sizeof(PyObject *self, PyObject *unused)
{
    PyCodeObject *co = (PyCodeObject *)self;
    size_t n = offsetof(PyCodeObject, co_code_adaptive) + (size_t)Py_SIZE(co) * 2;
    if (co->co_extra != NULL) {
        n += sizeof(void *) * (1 + (size_t)((Py_ssize_t *)co->co_extra)[0]);
    }
    return PyLong_FromSize_t(n);
}

static PyObject *
code_varname_from_oparg(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                        PyObject *kwnames)
{
    PyCodeObject *co = (PyCodeObject *)self;
    PyObject *arg;
    if (nargs == 1 && kwnames == NULL) {
        arg = args[0];
    }
    else if (nargs == 0 && kwnames != NULL && PyTuple_GET_SIZE(kwnames) == 1 &&
             PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(kwnames, 0), "oparg")) {
        arg = args[0];
    }
    else {
        PyErr_SetString(PyExc_TypeError,
                        "_varname_from_oparg() missing required argument 'oparg' (pos 1)");
        return NULL;
    }
    int i = PyLong_AsInt(arg);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *name = PyTuple_GetItem(co->co_localsplusnames, i);
    return Py_XNewRef(name);
}

static PyObject *
checked_tuple(PyObject *t)
{
    /* Strings only; subclasses of str are converted. */
    NJ_OWN fresh = PyTuple_New(PyTuple_GET_SIZE(t));
    for (Py_ssize_t i = 0; fresh != NULL && i < PyTuple_GET_SIZE(t); i++) {
        PyObject *item = PyTuple_GET_ITEM(t, i);
        if (PyUnicode_CheckExact(item)) {
            Py_INCREF(item);
        }
        else if (!PyUnicode_Check(item)) {
            PyErr_Format(PyExc_TypeError, "name tuples must contain only strings, not '%.500s'",
                         Py_TYPE(item)->tp_name);
            return NULL;
        }
        else {
            item = PyUnicode_FromObject(item);
            if (item == NULL) {
                return NULL;
            }
        }
        PyTuple_SET_ITEM(fresh, i, item);
    }
    return NJ_TAKE(fresh);
}

/* From separate variables, as the constructor and replace() have them. */
static PyObject *
make_checked(NjCodeSpec *s, int nlocals, PyObject *varnames, PyObject *cellvars,
             PyObject *freevars)
{
    NJ_OWN consts = PyTuple_GetSlice(s->consts, 0, PyTuple_GET_SIZE(s->consts));
    s->consts = consts;
    return consts == NULL ? NULL : (PyObject *)new_from_vars(s, nlocals, varnames, cellvars,
                                                             freevars);
}

static PyObject *
code_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "code() takes no keyword arguments");
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n < 16 || n > 18) {
        PyErr_Format(PyExc_TypeError, "code expected at %s %d arguments, got %zd",
                     n < 16 ? "least" : "most", n < 16 ? 16 : 18, n);
        return NULL;
    }
    NjCodeSpec s = {0};
    int nlocals;
    PyObject *names, *varnames, *freevars = NULL, *cellvars = NULL;
    if (!PyArg_ParseTuple(args, "iiiiiiSO!O!O!UUUiSS|O!O!:code", &s.argcount,
                          &s.posonlyargcount, &s.kwonlyargcount, &nlocals, &s.stacksize,
                          &s.flags, &s.code, &PyTuple_Type, &s.consts, &PyTuple_Type, &names,
                          &PyTuple_Type, &varnames, &s.filename, &s.name, &s.qualname,
                          &s.firstlineno, &s.linetable, &s.exceptiontable, &PyTuple_Type,
                          &freevars, &PyTuple_Type, &cellvars)) {
        return NULL;
    }
    if (PySys_Audit("code.__new__", "OOOiiiiii", s.code, s.filename, s.name, s.argcount,
                    s.posonlyargcount, s.kwonlyargcount, nlocals, s.stacksize, s.flags) < 0) {
        return NULL;
    }
    const char *bad = s.argcount < 0          ? "code: argcount must not be negative"
                      : s.posonlyargcount < 0 ? "code: posonlyargcount must not be negative"
                      : s.kwonlyargcount < 0  ? "code: kwonlyargcount must not be negative"
                      : nlocals < 0           ? "code: nlocals must not be negative"
                                              : NULL;
    if (bad != NULL) {
        PyErr_SetString(PyExc_ValueError, bad);
        return NULL;
    }
    NJ_OWN our_names = checked_tuple(names);
    NJ_OWN our_vars = our_names ? checked_tuple(varnames) : NULL;
    NJ_OWN our_free = our_vars == NULL ? NULL : freevars ? checked_tuple(freevars) : PyTuple_New(0);
    NJ_OWN our_cell = our_free == NULL ? NULL : cellvars ? checked_tuple(cellvars) : PyTuple_New(0);
    if (our_cell == NULL) {
        return NULL;
    }
    s.names = our_names;
    return make_checked(&s, nlocals, our_vars, our_cell, our_free);
}

typedef struct Change {
    const char *name;
    char kind; /* i, S, T (tuple), U */
} Change;

static PyObject *
code_replace(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const Change CHANGES[] = {
        {"co_argcount", 'i'}, {"co_posonlyargcount", 'i'}, {"co_kwonlyargcount", 'i'},
        {"co_nlocals", 'i'},  {"co_stacksize", 'i'},       {"co_flags", 'i'},
        {"co_firstlineno", 'i'}, {"co_code", 'S'},         {"co_consts", 'T'},
        {"co_names", 'T'},    {"co_varnames", 'T'},        {"co_freevars", 'T'},
        {"co_cellvars", 'T'}, {"co_filename", 'U'},        {"co_name", 'U'},
        {"co_qualname", 'U'}, {"co_linetable", 'S'},       {"co_exceptiontable", 'S'}};
    enum { NCHANGES = sizeof(CHANGES) / sizeof(CHANGES[0]) };
    PyCodeObject *co = (PyCodeObject *)self;
    PyObject *objs[NCHANGES] = {NULL};
    int ints[7] = {co->co_argcount, co->co_posonlyargcount, co->co_kwonlyargcount,
                   co->co_nlocals,  co->co_stacksize,       co->co_flags,
                   co->co_firstlineno};
    if (PyTuple_GET_SIZE(args) > 0) {
        PyErr_SetString(PyExc_TypeError, "replace() takes no positional arguments");
        return NULL;
    }
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (kwargs != NULL && PyDict_Next(kwargs, &at, &key, &value)) {
        int k = 0;
        while (k < NCHANGES && !PyUnicode_EqualToUTF8(key, CHANGES[k].name)) {
            k++;
        }
        if (k == NCHANGES) {
            PyErr_Format(PyExc_TypeError, "replace() got an unexpected keyword argument '%S'",
                         key);
            return NULL;
        }
        const char *want = NULL;
        switch (CHANGES[k].kind) {
        case 'i':
            ints[k] = PyLong_AsInt(value);
            if (ints[k] == -1 && PyErr_Occurred()) {
                return NULL;
            }
            continue;
        case 'S':
            want = PyBytes_Check(value) ? NULL : "bytes";
            break;
        case 'T':
            want = PyTuple_Check(value) ? NULL : "tuple";
            break;
        default:
            want = PyUnicode_Check(value) ? NULL : "str";
        }
        if (want != NULL) {
            PyErr_Format(PyExc_TypeError, "replace() argument '%s' must be %s, not %.50s",
                         CHANGES[k].name, want,
                         value == Py_None ? "None" : Py_TYPE(value)->tp_name);
            return NULL;
        }
        objs[k] = value;
    }
    for (int k = 0; k < 7; k++) {
        if (ints[k] < 0 && k != 6) {
            PyErr_Format(PyExc_ValueError, "%s must be a positive integer", CHANGES[k].name);
            return NULL;
        }
    }
    if (ints[6] < 0) {
        PyErr_SetString(PyExc_ValueError, "co_firstlineno must be a positive integer");
        return NULL;
    }
    NJ_OWN code = objs[7] ? Py_NewRef(objs[7]) : nj_code_bytes(co);
    NJ_OWN varnames = objs[10] ? Py_NewRef(objs[10]) : code_get_varnames(self, NULL);
    NJ_OWN freevars = objs[11] ? Py_NewRef(objs[11]) : code_get_freevars(self, NULL);
    NJ_OWN cellvars = objs[12] ? Py_NewRef(objs[12]) : code_get_cellvars(self, NULL);
    if (code == NULL || varnames == NULL || freevars == NULL || cellvars == NULL) {
        return NULL;
    }
    NjCodeSpec s = {
        .argcount = ints[0],
        .posonlyargcount = ints[1],
        .kwonlyargcount = ints[2],
        .stacksize = ints[4],
        .flags = ints[5],
        .firstlineno = ints[6],
        .code = code,
        .consts = objs[8] ? objs[8] : co->co_consts,
        .names = objs[9] ? objs[9] : co->co_names,
        .filename = objs[13] ? objs[13] : co->co_filename,
        .name = objs[14] ? objs[14] : co->co_name,
        .qualname = objs[15] ? objs[15] : co->co_qualname,
        .linetable = objs[16] ? objs[16] : co->co_linetable,
        .exceptiontable = objs[17] ? objs[17] : co->co_exceptiontable,
    };
    if (PySys_Audit("code.__new__", "OOOiiiiii", s.code, s.filename, s.name, s.argcount,
                    s.posonlyargcount, s.kwonlyargcount, ints[3], s.stacksize, s.flags) < 0) {
        return NULL;
    }
    if (!objs[10] && !objs[11] && !objs[12] && ints[3] == co->co_nlocals &&
        ints[0] == co->co_argcount && ints[1] == co->co_posonlyargcount &&
        ints[2] == co->co_kwonlyargcount && ints[5] == co->co_flags) {
        /* Variables unchanged: keeps the kinds, also those that cannot be expressed. */
        s.localsplusnames = co->co_localsplusnames;
        s.localspluskinds = co->co_localspluskinds;
        return (PyObject *)nj_code_new(&s);
    }
    return make_checked(&s, ints[3], varnames, cellvars, freevars);
}

static PyMemberDef code_members[] = {
    {"co_argcount", Py_T_INT, offsetof(PyCodeObject, co_argcount), Py_READONLY, NULL},
    {"co_posonlyargcount", Py_T_INT, offsetof(PyCodeObject, co_posonlyargcount),
     Py_READONLY, NULL},
    {"co_kwonlyargcount", Py_T_INT, offsetof(PyCodeObject, co_kwonlyargcount), Py_READONLY,
     NULL},
    {"co_stacksize", Py_T_INT, offsetof(PyCodeObject, co_stacksize), Py_READONLY, NULL},
    {"co_flags", Py_T_INT, offsetof(PyCodeObject, co_flags), Py_READONLY, NULL},
    {"co_nlocals", Py_T_INT, offsetof(PyCodeObject, co_nlocals), Py_READONLY, NULL},
    {"co_consts", _Py_T_OBJECT, offsetof(PyCodeObject, co_consts), Py_READONLY, NULL},
    {"co_names", _Py_T_OBJECT, offsetof(PyCodeObject, co_names), Py_READONLY, NULL},
    {"co_filename", _Py_T_OBJECT, offsetof(PyCodeObject, co_filename), Py_READONLY, NULL},
    {"co_name", _Py_T_OBJECT, offsetof(PyCodeObject, co_name), Py_READONLY, NULL},
    {"co_qualname", _Py_T_OBJECT, offsetof(PyCodeObject, co_qualname), Py_READONLY, NULL},
    {"co_firstlineno", Py_T_INT, offsetof(PyCodeObject, co_firstlineno), Py_READONLY, NULL},
    {"co_linetable", _Py_T_OBJECT, offsetof(PyCodeObject, co_linetable), Py_READONLY, NULL},
    {"co_exceptiontable", _Py_T_OBJECT, offsetof(PyCodeObject, co_exceptiontable),
     Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyGetSetDef code_getset[] = {
    {"co_lnotab", code_get_lnotab, NULL, NULL, NULL},
    {"_co_code_adaptive", code_get_adaptive, NULL, NULL, NULL},
    {"co_varnames", code_get_varnames, NULL, NULL, NULL},
    {"co_cellvars", code_get_cellvars, NULL, NULL, NULL},
    {"co_freevars", code_get_freevars, NULL, NULL, NULL},
    {"co_code", code_get_code, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMethodDef code_methods[] = {
    {"__sizeof__", code_sizeof, METH_NOARGS, NULL},
    {"co_lines", code_lines, METH_NOARGS, NULL},
    {"co_branches", code_branches, METH_NOARGS, NULL},
    {"co_positions", code_positions, METH_NOARGS, NULL},
    {"replace", (PyCFunction)(void (*)(void))code_replace, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("replace($self, /, **changes)\n--\n\nReturn a copy of the code object with "
               "new values for the specified fields.")},
    {"_varname_from_oparg", (PyCFunction)(void (*)(void))code_varname_from_oparg,
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_varname_from_oparg($self, /, oparg)\n--\n\nName of a local variable by "
               "its index (internal).")},
    {"__replace__", (PyCFunction)(void (*)(void))code_replace, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("__replace__($self, /, **changes)\n--\n\nThe same as replace().")},
    {NULL, NULL, 0, NULL}};

PyTypeObject PyCode_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "code",
    .tp_basicsize = offsetof(PyCodeObject, co_code_adaptive),
    .tp_itemsize = 2,
    .tp_dealloc = code_dealloc,
    .tp_repr = code_repr,
    .tp_hash = code_hash,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = PyDoc_STR(
        "code(argcount, posonlyargcount, kwonlyargcount, nlocals, stacksize,\n"
        "     flags, codestring, constants, names, varnames, filename, name,\n"
        "     qualname, firstlineno, linetable, exceptiontable, freevars=(),\n"
        "     cellvars=(), /)\n--\n\nCreate a code object.  Not for the faint of heart."),
    .tp_richcompare = code_richcompare,
    .tp_weaklistoffset = offsetof(PyCodeObject, co_weakreflist),
    .tp_methods = code_methods,
    .tp_members = code_members,
    .tp_getset = code_getset,
    .tp_new = code_new,
};

/* ---- C API --------------------------------------------------------------------------- */

PyCodeObject *
PyUnstable_Code_NewWithPosOnlyArgs(int argcount, int posonlyargcount, int kwonlyargcount,
                                   int nlocals, int stacksize, int flags, PyObject *code,
                                   PyObject *consts, PyObject *names, PyObject *varnames,
                                   PyObject *freevars, PyObject *cellvars, PyObject *filename,
                                   PyObject *name, PyObject *qualname, int firstlineno,
                                   PyObject *linetable, PyObject *exceptiontable)
{
    NjCodeSpec s = {
        .argcount = argcount,
        .posonlyargcount = posonlyargcount,
        .kwonlyargcount = kwonlyargcount,
        .stacksize = stacksize,
        .flags = flags,
        .code = code,
        .consts = consts,
        .names = names,
        .filename = filename,
        .name = name,
        .qualname = qualname,
        .firstlineno = firstlineno,
        .linetable = linetable,
        .exceptiontable = exceptiontable,
    };
    return new_from_vars(&s, nlocals, varnames, cellvars, freevars);
}

PyCodeObject *
PyUnstable_Code_New(int argcount, int kwonlyargcount, int nlocals, int stacksize, int flags,
                    PyObject *code, PyObject *consts, PyObject *names, PyObject *varnames,
                    PyObject *freevars, PyObject *cellvars, PyObject *filename,
                    PyObject *name, PyObject *qualname, int firstlineno, PyObject *linetable,
                    PyObject *exceptiontable)
{
    return PyUnstable_Code_NewWithPosOnlyArgs(
        argcount, 0, kwonlyargcount, nlocals, stacksize, flags, code, consts, names, varnames,
        freevars, cellvars, filename, name, qualname, firstlineno, linetable, exceptiontable);
}

PyCodeObject *
PyCode_NewEmpty(const char *filename, const char *funcname, int firstlineno)
{
    /* A body that raises AssertionError, for tracebacks of functions without code. */
    static const char BODY[] = {RESUME, 0, LOAD_COMMON_CONSTANT, 0, RAISE_VARARGS, 1};
    static const char LINES[] = {(char)0x80 | (13 << 3) | 2, 0};
    NJ_OWN file = PyUnicode_DecodeFSDefault(filename);
    NJ_OWN name = file ? PyUnicode_FromString(funcname) : NULL;
    NJ_OWN empty = name ? PyTuple_New(0) : NULL;
    NJ_OWN code = empty ? PyBytes_FromStringAndSize(BODY, sizeof(BODY)) : NULL;
    NJ_OWN lines = code ? PyBytes_FromStringAndSize(LINES, sizeof(LINES)) : NULL;
    NJ_OWN none = lines ? PyBytes_FromStringAndSize(NULL, 0) : NULL;
    if (none == NULL) {
        return NULL;
    }
    NjCodeSpec s = {.filename = file,
                    .name = name,
                    .qualname = name,
                    .code = code,
                    .firstlineno = firstlineno,
                    .linetable = lines,
                    .consts = empty,
                    .names = empty,
                    .localsplusnames = empty,
                    .localspluskinds = none,
                    .exceptiontable = none,
                    .stacksize = 1};
    return nj_code_new(&s);
}

PyObject *
PyCode_GetCode(PyCodeObject *co)
{
    return nj_code_bytes(co);
}

PyObject *
PyCode_GetVarnames(PyCodeObject *co)
{
    return code_get_varnames((PyObject *)co, NULL);
}

PyObject *
PyCode_GetCellvars(PyCodeObject *co)
{
    return code_get_cellvars((PyObject *)co, NULL);
}

PyObject *
PyCode_GetFreevars(PyCodeObject *co)
{
    return code_get_freevars((PyObject *)co, NULL);
}

PyObject *
PyCode_Optimize(PyObject *code, PyObject *consts, PyObject *names, PyObject *lnotab)
{
    return Py_NewRef(code); /* a remnant: optimization happens in the compiler */
}

/* co_extra points to a count followed by that many slots. */
int
PyUnstable_Code_GetExtra(PyObject *code, Py_ssize_t index, void **extra)
{
    if (!PyCode_Check(code)) {
        PyErr_BadInternalCall();
        return -1;
    }
    Py_ssize_t *head = ((PyCodeObject *)code)->co_extra;
    *extra = NULL;
    if (head == NULL || index < 0 || index >= head[0]) {
        return 0;
    }
    *extra = ((void **)head)[1 + index];
    return 0;
}

int
PyUnstable_Code_SetExtra(PyObject *code, Py_ssize_t index, void *extra)
{
    NjInterp *interp = nj_interp();
    if (!PyCode_Check(code) || index < 0 || index >= interp->vm.code_extra_count) {
        PyErr_BadInternalCall();
        return -1;
    }
    PyCodeObject *co = (PyCodeObject *)code;
    Py_ssize_t *head = co->co_extra;
    if (head == NULL || head[0] <= index) {
        Py_ssize_t n = interp->vm.code_extra_count, old = head == NULL ? 0 : head[0];
        Py_ssize_t *fresh = PyMem_Realloc(head, sizeof(void *) * (size_t)(1 + n));
        if (fresh == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        for (Py_ssize_t i = old; i < n; i++) {
            ((void **)fresh)[1 + i] = NULL;
        }
        fresh[0] = n;
        co->co_extra = head = fresh;
    }
    void **slot = (void **)head + 1 + index;
    if (*slot != NULL && interp->vm.code_extra_free[index] != NULL) {
        interp->vm.code_extra_free[index](*slot);
    }
    *slot = extra;
    return 0;
}

int
PyCode_AddWatcher(PyCode_WatchCallback callback)
{
    NjFrontendState *fs = &nj_interp()->frontend;
    for (int i = 0; i < NJ_CODE_WATCHERS; i++) {
        if (!(fs->active_code_watchers >> i & 1)) {
            fs->code_watchers[i] = callback;
            fs->active_code_watchers |= (uint8_t)(1 << i);
            return i;
        }
    }
    PyErr_SetString(PyExc_RuntimeError, "no more code watcher IDs available");
    return -1;
}

int
PyCode_ClearWatcher(int watcher_id)
{
    NjFrontendState *fs = &nj_interp()->frontend;
    if (watcher_id < 0 || watcher_id >= NJ_CODE_WATCHERS) {
        PyErr_Format(PyExc_ValueError, "Invalid code watcher ID %d", watcher_id);
        return -1;
    }
    if (!(fs->active_code_watchers >> watcher_id & 1)) {
        PyErr_Format(PyExc_ValueError, "No code watcher set for ID %d", watcher_id);
        return -1;
    }
    fs->code_watchers[watcher_id] = NULL;
    fs->active_code_watchers &= (uint8_t)~(1 << watcher_id);
    return 0;
}

/* tables.c - expands the compact tables of cjk.h.
 * SPDX-License-Identifier: MIT
 */
#include "mbc.h"

/* The base's word for a cell, 0 where it has none that can be copied. */
static unsigned
base_word(const CjkTable *table, const Tables *base, bool three, unsigned lead, unsigned trail)
{
    if (!base) {
        return 0;
    }
    if (table->transform == CJK_SJIS) {
        /* a Shift_JIS pair as the EUC pair of the same cell of the 94x94 set */
        if (three || trail == 0x7F || trail < 0x40 || trail > 0xFC
            || !((lead >= 0x81 && lead <= 0x9F) || (lead >= 0xE0 && lead <= 0xEF))) {
            return 0;
        }
        unsigned row = (lead - (lead <= 0x9F ? 0x81 : 0xC1)) * 2;
        unsigned col = trail - (trail < 0x7F ? 0x40 : 0x41);
        lead = row + col / 94 + 0xA1;
        trail = col % 94 + 0xA1;
    }
    uint16_t *row = three ? base->rows3[lead] : base->rows[lead];
    unsigned word = row ? row[trail] : 0;
    return word - CJK_EXTRA < 0x800 ? 0 : word;
}

static int
set_cell(uint16_t **rows, unsigned lead, unsigned trail, unsigned word)
{
    if (!word) {
        return 0;
    }
    if (!rows[lead]) {
        rows[lead] = PyMem_Calloc(256, sizeof(uint16_t));
        if (!rows[lead]) {
            PyErr_NoMemory();
            return -1;
        }
    }
    rows[lead][trail] = (uint16_t)word;
    return 0;
}

static int
expand_cells(Tables *t, const uint16_t *stream, const uint8_t *bounds, bool three)
{
    uint16_t **rows = three ? t->rows3 : t->rows;
    unsigned lead = bounds[0], trail = bounds[2];
    while (stream && lead <= bounds[1]) {
        unsigned kind = *stream >> 14, n = *stream & 0x3FFF;
        stream++;
        unsigned run = kind == 2 ? *stream++ : 0;
        for (unsigned i = 0; i < n; i++) {
            unsigned word = kind == 1   ? *stream++
                            : kind == 2 ? run + i
                            : kind == 3 ? base_word(t->table, t->base, three, lead, trail)
                                        : 0;
            if (set_cell(rows, lead, trail, word) < 0) {
                return -1;
            }
            if (trail++ == bounds[3]) {
                trail = bounds[2];
                lead++;
            }
        }
    }
    return 0;
}

static void
expand_singles(Tables *t)
{
    const uint16_t *stream = t->table->singles;
    unsigned at = 0;
    while (at < 256) {
        unsigned kind = *stream >> 14, n = *stream & 0x3FFF;
        stream++;
        unsigned run = kind == 2 ? *stream++ : 0;
        for (unsigned i = 0; i < n && at < 256; i++) {
            t->single[at++] = (uint16_t)(kind == 1 ? *stream++ : kind == 2 ? run + i : 0);
        }
    }
}

static int
set_code(Tables *t, Py_UCS4 c, unsigned code, bool replace)
{
    uint16_t **page = &t->pages[c >> 8];
    if (!*page) {
        *page = PyMem_Calloc(256, sizeof(uint16_t));
        if (!*page) {
            PyErr_NoMemory();
            return -1;
        }
    }
    if (replace || !(*page)[c & 0xFF]) {
        (*page)[c & 0xFF] = (uint16_t)code;
    }
    return 0;
}

static int
invert_rows(Tables *t, uint16_t **rows, unsigned mask)
{
    for (unsigned lead = 0; lead < 256; lead++) {
        for (unsigned trail = 0; rows[lead] && trail < 256; trail++) {
            unsigned word = rows[lead][trail];
            Py_UCS4 c = word;
            if (word - CJK_EXTRA < 0x800) {
                const CjkExtra *e = &t->table->extras[word - CJK_EXTRA];
                c = e->second ? 0 : e->first;
            }
            if (c && set_code(t, c, (lead << 8 | trail) & mask, false) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* Lists the pairs of code points that have a code of their own. */
static int
find_pairs(Tables *t)
{
    for (unsigned lead = 0; lead < 256; lead++) {
        for (unsigned trail = 0; t->rows[lead] && trail < 256; trail++) {
            unsigned word = t->rows[lead][trail];
            if (word - CJK_EXTRA >= 0x800 || !t->table->extras[word - CJK_EXTRA].second) {
                continue;
            }
            if (t->n_pairs == MAX_PAIRS) {
                PyErr_SetString(PyExc_SystemError, "too many pairs in a codec table");
                return -1;
            }
            const CjkExtra *e = &t->table->extras[word - CJK_EXTRA];
            t->pairs[t->n_pairs++] = (Pair){e->first, e->second,
                                            (uint16_t)(lead << 8 | trail)};
        }
    }
    return 0;
}

static int
invert(Tables *t)
{
    if (find_pairs(t) < 0) {
        return -1;
    }
    for (unsigned b = 1; b < 256; b++) {
        if (t->single[b] && t->single[b] != CJK_LEAD
            && set_code(t, t->single[b], b, false) < 0) {
            return -1;
        }
    }
    if (invert_rows(t, t->rows, 0xFFFF) < 0 || invert_rows(t, t->rows3, 0xFF7F) < 0) {
        return -1;
    }
    for (int i = 0; i < t->table->n_overrides; i++) {
        const CjkOverride *o = &t->table->overrides[i];
        if (set_code(t, o->cp, o->code, true) < 0) {
            return -1;
        }
    }
    return 0;
}

static void
free_tables(Tables *t)
{
    for (int i = 0; i < 256; i++) {
        PyMem_Free(t->rows[i]);
        PyMem_Free(t->rows3[i]);
    }
    for (int i = 0; i < MAX_PAGES; i++) {
        PyMem_Free(t->pages[i]);
    }
    PyMem_Free(t);
}

static void
free_capsule(PyObject *capsule)
{
    Tables *t = PyCapsule_GetPointer(capsule, CJK_CAPSULE);
    if (t) {
        free_tables(t);
    }
}

/* The tables of another module's codec. */
static Tables *
foreign_tables(const char *module, const char *name)
{
    NJ_OWN m = PyImport_ImportModule(module);
    NJ_OWN o = m ? PyObject_CallMethod(m, "getcodec", "s", name) : NULL;
    return o ? ((Codec *)o)->t : NULL; /* the cache keeps them */
}

static int
fill(Tables *t)
{
    const CjkTable *table = t->table;
    if (table->base && !(t->base = foreign_tables(table->base_module, table->base))) {
        return -1;
    }
    for (int i = 0; table->charsets && table->charsets[i].escape; i++) {
        const CjkCharset *c = &table->charsets[i];
        if (c->name && !(t->charsets[i] = foreign_tables(c->module, c->name))) {
            return -1;
        }
    }
    if (!table->singles) {
        return 0;
    }
    expand_singles(t);
    if (expand_cells(t, table->cells, table->bounds, false) < 0
        || expand_cells(t, table->cells3, table->bounds3, true) < 0) {
        return -1;
    }
    return invert(t);
}

Tables *
mbc_tables(MbcState *st, const CjkTable *table)
{
    NJ_OWN key = PyLong_FromVoidPtr((void *)table);
    PyObject *known = key ? PyDict_GetItemWithError(st->tables, key) : NULL;
    if (known) {
        return PyCapsule_GetPointer(known, CJK_CAPSULE);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    Tables *t = PyMem_Calloc(1, sizeof *t);
    if (!t) {
        PyErr_NoMemory();
        return NULL;
    }
    t->table = table;
    NJ_OWN capsule = fill(t) == 0 ? PyCapsule_New(t, CJK_CAPSULE, free_capsule) : NULL;
    if (!capsule) {
        free_tables(t);
        return NULL;
    }
    return PyDict_SetItem(st->tables, key, capsule) < 0 ? NULL : t;
}

unsigned
mbc_pair_code(const Tables *t, Py_UCS4 a, Py_UCS4 b)
{
    for (int i = 0; i < t->n_pairs; i++) {
        if (t->pairs[i].first == a && t->pairs[i].second == b) {
            return t->pairs[i].code;
        }
    }
    return 0;
}

bool
mbc_starts_pair(const Tables *t, Py_UCS4 a)
{
    for (int i = 0; i < t->n_pairs; i++) {
        if (t->pairs[i].first == a) {
            return true;
        }
    }
    return false;
}

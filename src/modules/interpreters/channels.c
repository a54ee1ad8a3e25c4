/* channels.c - the module _interpchannels: channels between interpreters.
 *
 * A channel lives in the process, known by its id, as long as a ChannelID refers to it. An
 * interpreter is bound to an end by using it and unbound by releasing it or by ending; with
 * the last bound interpreter the channel closes. A closed channel keeps its id and nothing
 * else. One whose send end alone is closed is closing: what is in it may be received still.
 * A sender that waits has its Wait on the item; whoever takes the item away answers it.
 * SPDX-License-Identifier: MIT
 */
#include "shared.h"

#include "modules/timeout.h"

/* The ends, and what a ChannelID stands for. */
enum { RECV = 0, SEND = 1, BOTH = 2 };

typedef struct Bound {
    struct Bound *next;
    int64_t interp;
    bool released;
} Bound;

typedef struct NjXChannel {
    struct NjXChannel *next;
    int64_t id;
    Py_ssize_t refs;
    int unbound, fallback;
    enum { OPEN, CLOSING, CLOSED } state;
    bool deserted; /* closed for want of bound interpreters: list_all() shows it */
    Bound *ends[2]; /* by interpreter id */
    ItemList items;
} Channel;

typedef struct Wait {
    PyThread_type_lock lock; /* held until there is an answer */
    enum { WAITING, RECEIVED, GONE } answer;
} Wait;

enum { E_CHANNEL, E_NOT_FOUND, E_CLOSED, E_EMPTY, E_NOT_EMPTY, N_ERRORS };

typedef struct State {
    PyObject *errors[N_ERRORS];
    PyTypeObject *id_type, *info_type;
    PyObject *end_types[2]; /* the classes that show the ends, or NULL */
} State;

static struct PyModuleDef module_def;

static State *
state_of(PyObject *m)
{
    return PyModule_GetState(m);
}

/* The state of the module in the calling interpreter; m keeps it. */
static State *
import_state(PyObject **m)
{
    *m = PyImport_ImportModule("_interpchannels");
    if (*m && PyModule_GetDef(*m) != &module_def) {
        PyErr_SetString(PyExc_RuntimeError, "_interpchannels has been replaced");
        return NULL;
    }
    return *m ? state_of(*m) : NULL;
}

/* --- the list of channels (under the lock) ---------------------------------------------- */

static Channel **
find_link(int64_t id)
{
    Channel **c = &nj_runtime.shared.channels;
    while (*c && (*c)->id != id) {
        c = &(*c)->next;
    }
    return c;
}

/* What went wrong, told once the lock is gone. */
typedef enum Outcome {
    DONE,
    NOT_FOUND,
    IS_CLOSED,
    END_RELEASED,
    HAS_CLOSED, /* while somebody waited */
    EMPTY,
    NOT_EMPTY,
} Outcome;

static Outcome
find(int64_t id, Channel **out)
{
    *out = *find_link(id);
    return !*out ? NOT_FOUND : (*out)->state == CLOSED ? IS_CLOSED : DONE;
}

static void
answer(Item *item, int how)
{
    if (item->wait) {
        item->wait->answer = how;
        PyThread_release_lock(item->wait->lock);
        item->wait = NULL;
    }
}

static void
discard_items(Channel *c, ItemList *garbage)
{
    for (Item *item; (item = items_pop(&c->items));) {
        answer(item, GONE);
        items_push(garbage, item);
    }
}

static void
close_channel(Channel *c, ItemList *garbage)
{
    discard_items(c, garbage);
    for (int end = 0; end < 2; end++) {
        for (Bound *b; (b = c->ends[end]);) {
            c->ends[end] = b->next;
            PyMem_RawFree(b);
        }
    }
    c->state = CLOSED;
}

static void
remove_channel(Channel **link, ItemList *garbage)
{
    Channel *c = *link;
    *link = c->next;
    close_channel(c, garbage);
    PyMem_RawFree(c);
}

/* The binding of interp to an end, made if there is none. NULL: no memory. */
static Bound *
bind(Channel *c, int end, int64_t interp)
{
    Bound **link = &c->ends[end];
    while (*link && (*link)->interp < interp) {
        link = &(*link)->next;
    }
    if (!*link || (*link)->interp != interp) {
        Bound *b = PyMem_RawCalloc(1, sizeof *b);
        if (b) {
            b->interp = interp;
            b->next = *link;
            *link = b;
        }
        return b;
    }
    return *link;
}

static const Bound *
bound(const Channel *c, int end, int64_t interp)
{
    const Bound *b = c->ends[end];
    while (b && b->interp != interp) {
        b = b->next;
    }
    return b;
}

static bool
anybody_bound(const Channel *c)
{
    for (int end = 0; end < 2; end++) {
        for (const Bound *b = c->ends[end]; b; b = b->next) {
            if (!b->released) {
                return true;
            }
        }
    }
    return false;
}

/* Something was taken out: a closing channel closes when it is empty. */
static void
after_taking(Channel *c, ItemList *garbage)
{
    if (c->state == CLOSING && !c->items.count) {
        close_channel(c, garbage);
    }
}

/* --- references --------------------------------------------------------------------------- */

static bool
channel_incref(int64_t id)
{
    shared_lock();
    Channel *c = *find_link(id);
    if (c) {
        c->refs++;
    }
    shared_unlock();
    return c != NULL;
}

static void
channel_decref(int64_t id)
{
    ItemList garbage = {0};
    shared_lock();
    Channel **link = find_link(id);
    if (*link && --(*link)->refs <= 0) {
        remove_channel(link, &garbage);
    }
    shared_unlock();
    items_free(&garbage);
}

/* --- errors --------------------------------------------------------------------------------- */

static PyObject *
fail(State *st, Outcome why, int64_t id)
{
    static const struct {
        int error;
        const char *format;
    } table[] = {
        [NOT_FOUND] = {E_NOT_FOUND, "channel %lld not found"},
        [IS_CLOSED] = {E_CLOSED, "channel %lld is closed"},
        [END_RELEASED] = {E_CLOSED, "channel %lld is already closed"},
        [HAS_CLOSED] = {E_CLOSED, "channel %lld has closed"},
        [EMPTY] = {E_EMPTY, "channel %lld is empty"},
        [NOT_EMPTY] = {E_NOT_EMPTY,
                       "channel %lld may not be closed if not empty (try force=True)"},
    };
    PyErr_Format(st->errors[table[why].error], table[why].format, (long long)id);
    return NULL;
}

/* --- ChannelID -------------------------------------------------------------------------------- */

typedef struct ChannelID {
    PyObject_HEAD
    int64_t id;
    int end;
    bool counted; /* it refers to a channel */
} ChannelID;

static PyObject *
new_id(PyTypeObject *tp, int64_t id, int end, bool counted)
{
    ChannelID *self = (ChannelID *)tp->tp_alloc(tp, 0);
    if (!self) {
        if (counted) {
            channel_decref(id);
        }
        return NULL;
    }
    self->id = id;
    self->end = end;
    self->counted = counted;
    return (PyObject *)self;
}

/* force: also when there is no such channel. */
static PyObject *
id_for(State *st, int64_t id, int end, bool force)
{
    bool counted = channel_incref(id);
    return counted || force ? new_id(st->id_type, id, end, counted) : fail(st, NOT_FOUND, id);
}

static void
id_dealloc(PyObject *o)
{
    ChannelID *self = (ChannelID *)o;
    PyTypeObject *tp = Py_TYPE(o);
    if (self->counted) {
        channel_decref(self->id);
    }
    tp->tp_free(o);
    Py_DECREF(tp);
}

/* The id in a ChannelID or an int. end may be NULL. 1, or 0 with an exception. */
static int
id_of(State *st, PyObject *o, int64_t *id, int *end)
{
    if (PyObject_TypeCheck(o, st->id_type)) {
        *id = ((ChannelID *)o)->id;
        if (end) {
            *end = ((ChannelID *)o)->end;
        }
        return 1;
    }
    if (!PyIndex_Check(o)) {
        PyErr_Format(PyExc_TypeError, "channel ID must be an int, got %.100s",
                     Py_TYPE(o)->tp_name);
        return 0;
    }
    NJ_OWN n = PyNumber_Index(o);
    *id = n ? PyLong_AsLongLong(n) : -1;
    if (*id == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError, "int too big to convert");
        }
        return 0;
    }
    if (*id < 0) {
        PyErr_Format(PyExc_ValueError, "channel ID must be a non-negative int, got %R", n);
        return 0;
    }
    return 1;
}

typedef struct IdArg {
    State *st;
    int64_t id;
    int end;
} IdArg;

static int
id_converter(PyObject *o, void *out)
{
    IdArg *a = out;
    return id_of(a->st, o, &a->id, &a->end);
}

static PyObject *
id_repr(PyObject *o)
{
    ChannelID *self = (ChannelID *)o;
    static const char *const suffix[] = {", recv=True", ", send=True", ""};
    NJ_OWN name = PyType_GetName(Py_TYPE(o));
    return name ? PyUnicode_FromFormat("%U(%lld%s)", name, (long long)self->id,
                                       suffix[self->end])
                : NULL;
}

static PyObject *
id_str(PyObject *o)
{
    return PyUnicode_FromFormat("%lld", (long long)((ChannelID *)o)->id);
}

static PyObject *
id_index(PyObject *o)
{
    return PyLong_FromLongLong(((ChannelID *)o)->id);
}

static Py_hash_t
id_hash(PyObject *o)
{
    NJ_OWN n = id_index(o);
    return n ? PyObject_Hash(n) : -1;
}

static PyObject *
id_compare(PyObject *o, PyObject *other, int op)
{
    if (op != Py_EQ && op != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    NJ_OWN m = NULL;
    State *st = import_state(&m);
    if (!st) {
        return NULL;
    }
    ChannelID *self = (ChannelID *)o;
    if (PyObject_TypeCheck(other, st->id_type)) {
        ChannelID *b = (ChannelID *)other;
        return PyBool_FromLong((self->id == b->id && self->end == b->end) == (op == Py_EQ));
    }
    if (!PyNumber_Check(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    NJ_OWN n = id_index(o);
    return n ? PyObject_RichCompare(n, other, op) : NULL;
}

static PyObject *
id_get_end(PyObject *o, void *unused)
{
    static const char *const names[] = {"recv", "send", "both"};
    return PyUnicode_InternFromString(names[((ChannelID *)o)->end]);
}

static PyObject *
id_get_other(PyObject *o, void *end)
{
    NJ_OWN m = NULL;
    State *st = import_state(&m);
    return st ? id_for(st, ((ChannelID *)o)->id, (int)(intptr_t)end, true) : NULL;
}

static PyGetSetDef id_getset[] = {
    {"end", id_get_end, NULL, "'send', 'recv', or 'both'", NULL},
    {"send", id_get_other, NULL, "the 'send' end of the channel", (void *)SEND},
    {"recv", id_get_other, NULL, "the 'recv' end of the channel", (void *)RECV},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot id_slots[] = {
    {Py_tp_dealloc, id_dealloc},
    {Py_tp_doc, "A channel ID identifies a channel and may be used as an int."},
    {Py_tp_repr, id_repr},
    {Py_tp_str, id_str},
    {Py_tp_hash, id_hash},
    {Py_tp_richcompare, id_compare},
    {Py_tp_getset, id_getset},
    {Py_nb_int, id_index},
    {Py_nb_index, id_index},
    {0, NULL},
};

static PyType_Spec id_spec = {
    .name = "_interpchannels.ChannelID",
    .basicsize = sizeof(ChannelID),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = id_slots,
};

static PyObject *
channels_channel_id(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "send", "recv", "force", "_resolve", NULL};
    IdArg a = {state_of(m), 0, BOTH};
    int send = -1, recv = -1, force = 0, resolve = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&|$pppp:ChannelID.__new__", names,
                                     id_converter, &a, &send, &recv, &force, &resolve)) {
        return NULL;
    }
    /* resolve: the class that shows the end instead, once there is one that takes an id */
    if (send >= 0 || recv >= 0) {
        if (send <= 0 && recv <= 0) {
            PyErr_SetString(PyExc_ValueError, "'send' and 'recv' cannot both be False");
            return NULL;
        }
        a.end = send > 0 && recv > 0 ? BOTH : send > 0 ? SEND : RECV;
    }
    return id_for(a.st, a.id, a.end, force);
}

/* --- ids and ends as values ----------------------------------------------------------------- */

typedef struct XId {
    int64_t id;
    int end;
    bool counted;
} XId;

static void
drop_id(void *data)
{
    XId *x = data;
    if (x->counted) {
        channel_decref(x->id);
    }
    PyMem_RawFree(x);
}

static PyObject *
make_id(NjXData *x)
{
    const XId *d = x->data;
    NJ_OWN m = NULL;
    State *st = import_state(&m);
    return st ? id_for(st, d->id, d->end, false) : NULL;
}

static int
get_id(PyObject *o, NjXData *x, bool fallback)
{
    XId *d = PyMem_RawMalloc(sizeof *d);
    if (!d) {
        PyErr_NoMemory();
        return -1;
    }
    d->id = ((ChannelID *)o)->id;
    d->end = ((ChannelID *)o)->end;
    d->counted = channel_incref(d->id); /* it lives on while it travels */
    x->data = d;
    x->drop = drop_id;
    x->make = make_id;
    return 0;
}

/* The class for an end. The library has none yet but the one for its tests. */
static PyObject *
end_type(State *st, int end)
{
    if (!st->end_types[end]) {
        NJ_OWN mod = PyImport_ImportModule("test.support.channels");
        if (mod && !st->end_types[end]) {
            PyErr_SetString(PyExc_RuntimeError, "the classes of ends are not registered");
        }
    }
    return st->end_types[end];
}

static PyObject *
make_end(NjXData *x)
{
    NJ_OWN m = NULL;
    State *st = import_state(&m);
    NJ_OWN id = st ? make_id(x) : NULL;
    PyObject *type = id ? end_type(st, ((XId *)x->data)->end == SEND ? SEND : RECV) : NULL;
    return type ? PyObject_CallOneArg(type, id) : NULL;
}

static int
get_end(PyObject *o, NjXData *x, bool fallback)
{
    NJ_OWN m = NULL;
    State *st = import_state(&m);
    NJ_OWN id = st ? PyObject_GetAttrString(o, "_id") : NULL;
    if (!id) {
        return -1;
    }
    if (!PyObject_TypeCheck(id, st->id_type)) {
        PyErr_Format(PyExc_TypeError, "expected a ChannelID, got %T", id);
        return -1;
    }
    if (get_id(id, x, fallback) < 0) {
        return -1;
    }
    x->make = make_end;
    return 0;
}

static PyObject *
channels_register_end_types(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"send", "recv", NULL};
    PyObject *send, *recv;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OO:_register_end_types", names, &send,
                                     &recv)) {
        return NULL;
    }
    if (!PyType_Check(send) || !PyType_Check(recv)) {
        PyErr_Format(PyExc_TypeError, "expected a type for '%s'",
                     PyType_Check(send) ? "recv" : "send");
        return NULL;
    }
    State *st = state_of(m);
    if ((send != st->end_types[SEND] &&
         nj_xdata_register((PyTypeObject *)send, get_end) < 0) ||
        (recv != st->end_types[RECV] &&
         nj_xdata_register((PyTypeObject *)recv, get_end) < 0)) {
        return NULL;
    }
    NJ_SET(st->end_types[SEND], Py_NewRef(send));
    NJ_SET(st->end_types[RECV], Py_NewRef(recv));
    Py_RETURN_NONE;
}

/* --- making and listing --------------------------------------------------------------------- */

static PyObject *
channels_create(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"unboundop", "fallback", NULL};
    int unbound = -1, fallback = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "|ii:create", names, &unbound, &fallback) ||
        check_unbound(&unbound, UNBOUND_REPLACE) < 0 || check_fallback(&fallback, 1) < 0) {
        return NULL;
    }
    Channel *c = PyMem_RawCalloc(1, sizeof *c);
    if (!c) {
        return PyErr_NoMemory();
    }
    c->unbound = unbound;
    c->fallback = fallback;
    c->refs = 1;
    shared_lock();
    int64_t id = c->id = nj_runtime.shared.next_channel++;
    c->next = nj_runtime.shared.channels;
    nj_runtime.shared.channels = c;
    shared_unlock();
    return new_id(state_of(m)->id_type, id, BOTH, true);
}

static PyObject *
channels_destroy(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"cid", NULL};
    IdArg a = {.st = state_of(m)};
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&:channel_destroy", names, id_converter,
                                     &a)) {
        return NULL;
    }
    ItemList garbage = {0};
    shared_lock();
    Channel **link = find_link(a.id);
    bool found = *link != NULL;
    if (found) {
        remove_channel(link, &garbage);
    }
    shared_unlock();
    items_free(&garbage);
    if (!found) {
        return fail(a.st, NOT_FOUND, a.id);
    }
    Py_RETURN_NONE;
}

static PyObject *
channels_list_all(PyObject *m, PyObject *unused)
{
    State *st = state_of(m);
    typedef struct {
        int64_t id;
        int unbound, fallback;
    } Row;
    Py_ssize_t n = 0, room = 0;
    shared_lock();
    for (Channel *c = nj_runtime.shared.channels; c; c = c->next) {
        room++;
    }
    Row *rows = PyMem_RawMalloc((size_t)(room + 1) * sizeof *rows);
    for (Channel *c = nj_runtime.shared.channels; rows && c; c = c->next) {
        if (c->state != CLOSED || c->deserted) {
            rows[n++] = (Row){c->id, c->unbound, c->fallback};
        }
    }
    shared_unlock();
    if (!rows) {
        return PyErr_NoMemory();
    }
    NJ_OWN list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < n; i++) {
        /* one that is gone by now is listed all the same */
        NJ_OWN id = id_for(st, rows[i].id, BOTH, true);
        NJ_OWN row = id ? Py_BuildValue("Oii", id, rows[i].unbound, rows[i].fallback) : NULL;
        if (!row || PyList_Append(list, row) < 0) {
            NJ_SET(list, NULL);
        }
    }
    PyMem_RawFree(rows);
    return NJ_TAKE(list);
}

static PyObject *
channels_list_interpreters(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"cid", "send", NULL};
    IdArg a = {.st = state_of(m)};
    int send;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&$p:channel_list_interpreters", names,
                                     id_converter, &a, &send)) {
        return NULL;
    }
    Channel *c;
    Py_ssize_t n = 0;
    int64_t *ids = NULL;
    bool memory = true;
    shared_lock();
    Outcome r = find(a.id, &c);
    if (r == DONE && send && c->state == CLOSING) {
        r = IS_CLOSED;
    }
    if (r == DONE) {
        const Bound *first = c->ends[send ? SEND : RECV];
        for (const Bound *b = first; b; b = b->next) {
            n += !b->released;
        }
        ids = PyMem_RawMalloc((size_t)(n + 1) * sizeof *ids);
        memory = ids != NULL;
        n = 0;
        for (const Bound *b = first; ids && b; b = b->next) {
            if (!b->released) {
                ids[n++] = b->interp;
            }
        }
    }
    shared_unlock();
    if (r != DONE) {
        return fail(a.st, r, a.id);
    }
    if (!memory) {
        return PyErr_NoMemory();
    }
    NJ_OWN list = PyList_New(n);
    for (Py_ssize_t i = 0; list && i < n; i++) {
        PyObject *id = PyLong_FromLongLong(ids[i]);
        if (!id) {
            NJ_SET(list, NULL);
            break;
        }
        PyList_SET_ITEM(list, i, id);
    }
    PyMem_RawFree(ids);
    return NJ_TAKE(list);
}

static PyObject *
channels_get_channel_defaults(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"cid", NULL};
    IdArg a = {.st = state_of(m)};
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&:get_channel_defaults", names,
                                     id_converter, &a)) {
        return NULL;
    }
    Channel *c;
    shared_lock();
    Outcome r = find(a.id, &c);
    int unbound = c ? c->unbound : 0, fallback = c ? c->fallback : 0;
    shared_unlock();
    return r == DONE ? Py_BuildValue("ii", unbound, fallback) : fail(a.st, r, a.id);
}

static PyObject *
channels_get_count(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"cid", NULL};
    IdArg a = {.st = state_of(m)};
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&:get_count", names, id_converter, &a)) {
        return NULL;
    }
    Channel *c;
    shared_lock();
    Outcome r = find(a.id, &c);
    Py_ssize_t n = c ? c->items.count : 0;
    shared_unlock();
    return r == DONE ? PyLong_FromSsize_t(n) : fail(a.st, r, a.id);
}

/* --- ChannelInfo ------------------------------------------------------------------------------- */

static PyStructSequence_Field info_fields[] = {
    {"open", "both ends are open"},
    {"closing", "send is closed, recv is non-empty"},
    {"closed", "both ends are closed"},
    {"count", "queued objects"},
    {"num_interp_send", "interpreters bound to the send end"},
    {"num_interp_send_released", "interpreters bound to the send end and released"},
    {"num_interp_recv", "interpreters bound to the send end"},
    {"num_interp_recv_released", "interpreters bound to the send end and released"},
    {"num_interp_both", "interpreters bound to both ends"},
    {"num_interp_both_released", "interpreters bound to both ends and released_from_both"},
    {"num_interp_both_send_released",
     "interpreters bound to both ends and released_from_the send end"},
    {"num_interp_both_recv_released",
     "interpreters bound to both ends and released_from_the recv end"},
    {"send_associated", "current interpreter is bound to the send end"},
    {"send_released", "current interpreter *was* bound to the send end"},
    {"recv_associated", "current interpreter is bound to the recv end"},
    {"recv_released", "current interpreter *was* bound to the recv end"},
    {NULL, NULL},
};

static PyStructSequence_Desc info_desc = {
    "_interpchannels.ChannelInfo",
    "ChannelInfo\n\nA named tuple of a channel's state.",
    info_fields,
    8,
};

/* Interpreters bound to one end or to both, each open or released. */
typedef struct Census {
    Py_ssize_t only[2][2]; /* by end, released */
    Py_ssize_t both[2][2]; /* by send released, recv released */
} Census;

static void
count_bound(const Channel *c, Census *n)
{
    const Bound *s = c->ends[SEND], *r = c->ends[RECV];
    while (s || r) { /* both are in order of the ids */
        if (s && r && s->interp == r->interp) {
            n->both[s->released][r->released]++;
            s = s->next;
            r = r->next;
        }
        else if (!r || (s && s->interp < r->interp)) {
            n->only[SEND][s->released]++;
            s = s->next;
        }
        else {
            n->only[RECV][r->released]++;
            r = r->next;
        }
    }
}

static PyObject *
channels_get_info(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"cid", NULL};
    IdArg a = {.st = state_of(m)};
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&:_get_info", names, id_converter, &a)) {
        return NULL;
    }
    int64_t self = nj_interp()->id;
    Census n = {0};
    bool associated[2] = {false, false}, released[2] = {false, false};
    shared_lock();
    Channel *c = *find_link(a.id);
    int state = c ? (int)c->state : 0;
    Py_ssize_t count = c ? c->items.count : 0;
    if (c) {
        count_bound(c, &n);
        for (int end = 0; end < 2; end++) {
            const Bound *b = bound(c, end, self);
            associated[end] = b && !b->released;
            released[end] = b && b->released;
        }
    }
    shared_unlock();
    if (!c) {
        return fail(a.st, NOT_FOUND, a.id);
    }
    /* "both, released from one end" counts under the end that is still bound, as the
     * reference does */
    PyObject *fields[16] = {
        PyBool_FromLong(state == OPEN),
        PyBool_FromLong(state == CLOSING),
        PyBool_FromLong(state == CLOSED),
        PyLong_FromSsize_t(count),
        PyLong_FromSsize_t(n.only[SEND][0]),
        PyLong_FromSsize_t(n.only[SEND][1]),
        PyLong_FromSsize_t(n.only[RECV][0]),
        PyLong_FromSsize_t(n.only[RECV][1]),
        PyLong_FromSsize_t(n.both[0][0]),
        PyLong_FromSsize_t(n.both[1][1]),
        PyLong_FromSsize_t(n.both[0][1]),
        PyLong_FromSsize_t(n.both[1][0]),
        PyBool_FromLong(associated[SEND]),
        PyBool_FromLong(released[SEND]),
        PyBool_FromLong(associated[RECV]),
        PyBool_FromLong(released[RECV]),
    };
    NJ_OWN info = PyStructSequence_New(a.st->info_type);
    bool failed = !info;
    for (int i = 0; i < 16; i++) {
        failed |= !fields[i];
        if (info) {
            PyStructSequence_SetItem(info, i, fields[i]);
        }
        else {
            Py_XDECREF(fields[i]);
        }
    }
    return failed ? NULL : NJ_TAKE(info);
}

/* --- sending --------------------------------------------------------------------------------------- */

/* Puts the item in; what is left in rest was not taken. */
static Outcome
push(int64_t id, ItemList *rest)
{
    Channel *c;
    Outcome r = find(id, &c);
    if (r == DONE && c->state == CLOSING) {
        r = IS_CLOSED;
    }
    if (r == DONE) {
        Bound *b = bind(c, SEND, rest->first->interp);
        if (b && b->released) {
            r = END_RELEASED;
        }
        else if (b) {
            items_push(&c->items, items_pop(rest));
        }
    }
    return r;
}

/* Takes the item back that waits with w, if it is still there. */
static void
withdraw(int64_t id, const Wait *w, ItemList *garbage)
{
    Channel *c = *find_link(id);
    if (!c) {
        return;
    }
    ItemList kept = {0};
    for (Item *item; (item = items_pop(&c->items));) {
        items_push(item->wait == w ? garbage : &kept, item);
    }
    c->items = kept;
    after_taking(c, garbage);
}

/* The item is in the channel: waits for the answer, at most ns (< 0: for ever). */
static int
wait_for_answer(State *st, int64_t id, Wait *w, PyTime_t ns)
{
    int got = nj_timeout_wait(w->lock, ns);
    ItemList garbage = {0};
    shared_lock();
    int how = w->answer;
    if (how == WAITING) {
        withdraw(id, w, &garbage);
    }
    shared_unlock();
    items_free(&garbage);
    if (got < 0) { /* what a signal's handler raised counts, even if there is an answer */
        return -1;
    }
    switch (how) {
    case RECEIVED:
        return 0;
    case GONE:
        fail(st, HAS_CLOSED, id);
        return -1;
    default:
        PyErr_SetString(PyExc_TimeoutError, "timed out");
        return -1;
    }
}

typedef struct SendArgs {
    IdArg channel;
    PyObject *o;
    int unbound, fallback, blocking;
    PyTime_t ns; /* < 0: no limit */
} SendArgs;

static int
parse_send(PyObject *m, PyObject *args, PyObject *kwds, const char *format, SendArgs *a)
{
    static char *names[] = {"cid", "obj", "unboundop", "fallback", "blocking", "timeout",
                            NULL};
    PyObject *timeout = Py_None;
    *a = (SendArgs){{.st = state_of(m)}, NULL, -1, -1, 1, -1};
    if (!PyArg_ParseTupleAndKeywords(args, kwds, format, names, id_converter, &a->channel,
                                     &a->o, &a->unbound, &a->fallback, &a->blocking,
                                     &timeout) ||
        nj_timeout_parse(timeout, a->blocking, &a->ns) < 0) {
        return -1;
    }
    int unbound = 0, fallback = 0;
    if (a->unbound < 0 || a->fallback < 0) {
        Channel *c;
        shared_lock();
        Outcome r = find(a->channel.id, &c);
        unbound = c ? c->unbound : 0;
        fallback = c ? c->fallback : 0;
        shared_unlock();
        if (r != DONE) {
            fail(a->channel.st, r, a->channel.id);
            return -1;
        }
    }
    return check_unbound(&a->unbound, unbound) < 0 || check_fallback(&a->fallback, fallback) < 0
               ? -1
               : 0;
}

static PyObject *
send_object(const SendArgs *a, PyObject *o)
{
    State *st = a->channel.st;
    int64_t id = a->channel.id;
    /* whether it may be sent comes before whether it can be */
    Channel *c;
    int64_t self = nj_interp()->id;
    shared_lock();
    Outcome r = find(id, &c);
    if (r == DONE && c->state == CLOSING) {
        r = IS_CLOSED;
    }
    if (r == DONE) {
        Bound *b = bind(c, SEND, self);
        if (b && b->released) {
            r = END_RELEASED;
        }
    }
    shared_unlock();
    if (r != DONE) {
        return fail(st, r, id);
    }
    Item *item = PyMem_RawCalloc(1, sizeof *item);
    if (!item || !(item->data = nj_xdata_new())) {
        PyMem_RawFree(item);
        return PyErr_NoMemory();
    }
    item->interp = self;
    item->unbound = a->unbound;
    ItemList rest = {0};
    items_push(&rest, item);
    if (nj_xdata_get(o, item->data, a->fallback != 0) < 0) {
        items_free(&rest);
        return NULL;
    }
    Wait w = {NULL, WAITING};
    if (a->blocking) {
        w.lock = PyThread_allocate_lock();
        if (!w.lock) {
            items_free(&rest);
            return PyErr_NoMemory();
        }
        PyThread_acquire_lock(w.lock, WAIT_LOCK);
        item->wait = &w;
    }
    shared_lock();
    r = push(id, &rest);
    shared_unlock();
    int rc = 0;
    if (r != DONE) {
        fail(st, r, id);
        rc = -1;
    }
    else if (rest.first) {
        PyErr_NoMemory();
        rc = -1;
    }
    else if (a->blocking) {
        rc = wait_for_answer(st, id, &w, a->ns);
    }
    items_free(&rest);
    if (w.lock) {
        PyThread_free_lock(w.lock);
    }
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
channels_send(PyObject *m, PyObject *args, PyObject *kwds)
{
    SendArgs a;
    return parse_send(m, args, kwds, "O&O|ii$pO:channel_send", &a) < 0 ? NULL
                                                                       : send_object(&a, a.o);
}

static PyObject *
channels_send_buffer(PyObject *m, PyObject *args, PyObject *kwds)
{
    SendArgs a;
    if (parse_send(m, args, kwds, "O&O|ii$pO:channel_send_buffer", &a) < 0) {
        return NULL;
    }
    NJ_OWN view = PyMemoryView_FromObject(a.o);
    return view ? send_object(&a, view) : NULL;
}

/* --- receiving ----------------------------------------------------------------------------------- */

static PyObject *
channels_recv(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"cid", "default", NULL};
    IdArg a = {.st = state_of(m)};
    PyObject *dflt = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&|O:channel_recv", names, id_converter, &a,
                                     &dflt)) {
        return NULL;
    }
    Channel *c;
    Item *item = NULL;
    bool memory = true;
    ItemList garbage = {0};
    shared_lock();
    Outcome r = find(a.id, &c);
    if (r == DONE) {
        Bound *b = bind(c, RECV, nj_interp()->id);
        memory = b != NULL;
        if (b && b->released) {
            r = END_RELEASED;
        }
        else if (b && (item = items_pop(&c->items))) {
            answer(item, RECEIVED);
            after_taking(c, &garbage);
        }
        else if (b) {
            r = EMPTY;
        }
    }
    shared_unlock();
    items_free(&garbage);
    if (!memory) {
        return PyErr_NoMemory();
    }
    if (r == EMPTY && dflt) {
        return PyTuple_Pack(2, dflt, Py_None);
    }
    if (!item) {
        return fail(a.st, r, a.id);
    }
    PyObject *result;
    if (item->data) {
        NJ_OWN o = nj_xdata_make(item->data);
        result = o ? PyTuple_Pack(2, o, Py_None) : NULL;
    }
    else {
        result = Py_BuildValue("Oi", Py_None, item->unbound);
    }
    ItemList done = {0};
    items_push(&done, item);
    NJ_OWN exc = PyErr_GetRaisedException();
    items_free(&done);
    PyErr_SetRaisedException(NJ_TAKE(exc));
    return result;
}

/* --- closing --------------------------------------------------------------------------------------- */

static Outcome
close_ends(int64_t id, bool send, bool recv, bool force, ItemList *garbage)
{
    Channel *c;
    Outcome r = find(id, &c);
    if (r != DONE) {
        return r;
    }
    if (force || !c->items.count) {
        close_channel(c, garbage);
        return DONE;
    }
    if (recv || !send) {
        return NOT_EMPTY;
    }
    if (c->state == CLOSING) {
        return IS_CLOSED;
    }
    c->state = CLOSING;
    return DONE;
}

static PyObject *
channels_close(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"cid", "send", "recv", "force", NULL};
    IdArg a = {.st = state_of(m)};
    int send = 0, recv = 0, force = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&|$ppp:channel_close", names, id_converter,
                                     &a, &send, &recv, &force)) {
        return NULL;
    }
    ItemList garbage = {0};
    shared_lock();
    Outcome r = close_ends(a.id, send, recv, force, &garbage);
    shared_unlock();
    items_free(&garbage);
    if (r != DONE) {
        return fail(a.st, r, a.id);
    }
    Py_RETURN_NONE;
}

/* Under the lock. -1: no memory. */
static int
release_ends(Channel *c, int64_t interp, bool send, bool recv, ItemList *garbage)
{
    Bound *s = send ? bind(c, SEND, interp) : NULL;
    Bound *r = recv ? bind(c, RECV, interp) : NULL;
    if ((send && !s) || (recv && !r)) {
        return -1;
    }
    if (s) {
        s->released = true;
    }
    if (r) {
        r->released = true;
    }
    if (!anybody_bound(c)) {
        close_channel(c, garbage);
        c->deserted = true;
    }
    return 0;
}

static PyObject *
channels_release(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"cid", "send", "recv", "force", NULL};
    IdArg a = {.st = state_of(m)};
    int send = 0, recv = 0, force = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&|$ppp:channel_release", names,
                                     id_converter, &a, &send, &recv, &force)) {
        return NULL;
    }
    /* force changes nothing: what others have put in stays as long as somebody is bound */
    if (!send && !recv) {
        send = recv = 1;
    }
    Channel *c;
    ItemList garbage = {0};
    int rc = 0;
    shared_lock();
    Outcome r = find(a.id, &c);
    if (r == DONE) {
        rc = release_ends(c, nj_interp()->id, send, recv, &garbage);
    }
    shared_unlock();
    items_free(&garbage);
    if (r != DONE) {
        return fail(a.st, r, a.id);
    }
    if (rc < 0) {
        return PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}

/* The interpreter ends: what it put in is unbound, its ends are released. */
static void
interp_ends(void *data)
{
    int64_t id = ((NjInterp *)data)->id;
    ItemList garbage = {0};
    shared_lock();
    for (Channel *c = nj_runtime.shared.channels; c; c = c->next) {
        if (c->state == CLOSED) {
            continue;
        }
        items_unbind(&c->items, id, &garbage);
        bool send = bound(c, SEND, id), recv = bound(c, RECV, id);
        if (send || recv) {
            (void)release_ends(c, id, send, recv, &garbage); /* they exist: no memory needed */
        }
        if (c->state != CLOSED) {
            after_taking(c, &garbage);
        }
    }
    for (Item *item = garbage.first; item; item = item->next) {
        answer(item, GONE);
    }
    shared_unlock();
    items_free(&garbage);
}

/* --- the module ---------------------------------------------------------------------------------- */

#define KW(f) ((PyCFunction)(void (*)(void))(f)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef module_methods[] = {
    {"create", KW(channels_create),
     "channel_create(unboundop) -> cid\n\nMake a channel; its ID is unique in the process."},
    {"destroy", KW(channels_destroy),
     "channel_destroy(cid)\n\nThe channel and what is in it exist no longer."},
    {"list_all", channels_list_all, METH_NOARGS,
     "list_all($self, /)\n--\n\n"
     "channel_list_all() -> [(cid, unboundop, fallback)]\n\nAll channels that are not closed."},
    {"list_interpreters", KW(channels_list_interpreters),
     "channel_list_interpreters(cid, *, send) -> [id]\n\n"
     "The interpreters bound to the send end, or to the receive end if send is false."},
    {"send", KW(channels_send),
     "channel_send(cid, obj, *, blocking=True, timeout=None)\n\n"
     "Put the value of the object into the channel and wait until it has been received."},
    {"send_buffer", KW(channels_send_buffer),
     "channel_send_buffer(cid, obj, *, blocking=True, timeout=None)\n\n"
     "Put the buffer of the object into the channel, not a copy of it, and wait until it has\n"
     "been received."},
    {"recv", KW(channels_recv),
     "channel_recv(cid, [default]) -> (obj, unboundop)\n\n"
     "Take the value at the front out, as a new object. For one whose interpreter has ended\n"
     "the object is None and unboundop tells what to do. From an empty channel comes the\n"
     "default, or ChannelEmptyError if there is none."},
    {"close", KW(channels_close),
     "channel_close(cid, *, send=None, recv=None, force=False)\n\n"
     "Close the channel for all interpreters. An empty one closes whatever the keywords say,\n"
     "and so does any with force=True; what was in it is lost. With send=True alone one that\n"
     "is not empty takes nothing more and closes once it is empty. Else ChannelNotEmptyError\n"
     "is raised. ChannelClosedError: it was closed already."},
    {"get_count", KW(channels_get_count),
     "get_count(cid)\n\nHow many items are in the channel."},
    {"get_info", KW(channels_get_info), "get_info(cid)\n\nThe state of the channel."},
    {"get_channel_defaults", KW(channels_get_channel_defaults),
     "get_channel_defaults(cid)\n\nWhat create() was told about unbound items and fallback."},
    {"release", KW(channels_release),
     "channel_release(cid, *, send=None, recv=None, force=True)\n\n"
     "Close one end, or both, for this interpreter. Again does no harm."},
    {"_channel_id", KW(channels_channel_id), NULL},
    {"_register_end_types", KW(channels_register_end_types), NULL},
    {NULL, NULL, 0, NULL},
};

static int
module_exec(PyObject *m)
{
    static const char *const names[N_ERRORS] = {
        [E_CHANNEL] = "_interpchannels.ChannelError",
        [E_NOT_FOUND] = "_interpchannels.ChannelNotFoundError",
        [E_CLOSED] = "_interpchannels.ChannelClosedError",
        [E_EMPTY] = "_interpchannels.ChannelEmptyError",
        [E_NOT_EMPTY] = "_interpchannels.ChannelNotEmptyError",
    };
    State *st = state_of(m);
    for (int i = 0; i < N_ERRORS; i++) {
        st->errors[i] = PyErr_NewException(
            names[i], i == E_CHANNEL ? PyExc_RuntimeError : st->errors[E_CHANNEL], NULL);
        if (!st->errors[i] ||
            PyModule_AddObjectRef(m, strchr(names[i], '.') + 1, st->errors[i]) < 0) {
            return -1;
        }
    }
    st->info_type = PyStructSequence_NewType(&info_desc);
    if (!st->info_type || PyModule_AddType(m, st->info_type) < 0) {
        return -1;
    }
    st->id_type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &id_spec, NULL);
    if (!st->id_type || PyModule_AddType(m, st->id_type) < 0 ||
        nj_xdata_register(st->id_type, get_id) < 0) {
        return -1;
    }
    return PyUnstable_AtExit(nj_interp(), interp_ends, nj_interp());
}

static int
module_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = state_of(m);
    for (int i = 0; i < N_ERRORS; i++) {
        Py_VISIT(st->errors[i]);
    }
    Py_VISIT(st->id_type);
    Py_VISIT(st->info_type);
    Py_VISIT(st->end_types[SEND]);
    Py_VISIT(st->end_types[RECV]);
    return 0;
}

static int
module_clear(PyObject *m)
{
    State *st = state_of(m);
    for (int i = 0; i < N_ERRORS; i++) {
        Py_CLEAR(st->errors[i]);
    }
    Py_CLEAR(st->id_type);
    Py_CLEAR(st->info_type);
    Py_CLEAR(st->end_types[SEND]);
    Py_CLEAR(st->end_types[RECV]);
    return 0;
}

static void
module_free(void *m)
{
    (void)module_clear(m);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_interpchannels",
    .m_doc = "Channels between interpreters: the primitives below a module like\n"
             "concurrent.interpreters.",
    .m_size = sizeof(State),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__interpchannels(void);
PyMODINIT_FUNC
PyInit__interpchannels(void)
{
    return PyModuleDef_Init(&module_def);
}

/* _remote_debugging.c - the stacks of another process, and what its asyncio tasks wait for.
 *
 * base/remote.h finds the process's table and reads its memory; the process is not stopped
 * and knows nothing of it. So everything read may be stale or nonsense: each list has a
 * bound, each text a longest length, and what makes no sense is a RuntimeError.
 *
 * A stack ends where C called Python, as the reference's does. Frames are read whole, code
 * objects once for each call (Reader.codes).
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "base/remote.h"

enum {
    MAX_FRAMES = 65536,    /* of a stack */
    MAX_TASKS = 1 << 20,
    MAX_THREADS = 1 << 16,
    MAX_NAME = 255,        /* characters of a task's name */
    MAX_TEXT = 4096,       /* characters of a file or function name */
    MAX_TABLE = 1 << 24,   /* bytes of a line table */
    FRAME_ROOM = 128,
};

typedef struct {
    PyTypeObject *task, *frame, *coro, *thread, *awaited;
} ModuleState;

typedef struct {
    PyObject_HEAD
    int pid;
    bool all_threads, only_active;
    NjRemoteTable table;
} Unwinder;

/* One call of a method. */
typedef struct {
    const Unwinder *u;
    const ModuleState *st;
    NjRemoteAsyncio tasks;
    PyObject *codes; /* dict: address -> (file, name, first line, line table, start) */
} Reader;

/* ---- memory ------------------------------------------------------------------------ */

static int
read_bytes(const Reader *r, uint64_t address, void *to, size_t size)
{
    return nj_remote_read(r->u->pid, address, to, size);
}

static int
read_word(const Reader *r, uint64_t address, uint64_t *out)
{
    return read_bytes(r, address, out, sizeof(*out));
}

static int
raise_corrupted(const char *what)
{
    PyErr_Format(PyExc_RuntimeError, "%s of the remote process appears corrupted", what);
    return -1;
}

/* A str of at most max characters (the rest is cut off) as a new object. */
static PyObject *
read_str(const Reader *r, uint64_t address, Py_ssize_t max)
{
    PyASCIIObject head;
    if (read_bytes(r, address, &head, sizeof(head)) < 0) {
        return NULL;
    }
    if (!head.state.compact || head.length < 0) {
        (void)raise_corrupted("A str");
        return NULL;
    }
    int kind = head.state.kind;
    Py_ssize_t n = Py_MIN(head.length, max);
    NJ_OWN_MEM(char) text = PyMem_Malloc((size_t)(n * kind + 1));
    if (!text) {
        return PyErr_NoMemory();
    }
    address += head.state.ascii ? sizeof(PyASCIIObject) : sizeof(PyCompactUnicodeObject);
    if (n > 0 && read_bytes(r, address, text, (size_t)(n * kind)) < 0) {
        return NULL;
    }
    return PyUnicode_FromKindAndData(kind, text, n);
}

/* ---- code and lines ---------------------------------------------------------------- */

/* The entry of r->codes for a code object: borrowed. */
static PyObject *
read_code(Reader *r, uint64_t address)
{
    NJ_OWN key = PyLong_FromUnsignedLongLong(address);
    if (!key) {
        return NULL;
    }
    PyObject *known = PyDict_GetItemWithError(r->codes, key);
    if (known || PyErr_Occurred()) {
        return known;
    }
    PyCodeObject co;
    PyBytesObject head;
    if (read_bytes(r, address, &co, offsetof(PyCodeObject, co_code_adaptive)) < 0 ||
        read_bytes(r, (uint64_t)co.co_linetable, &head, sizeof(head)) < 0) {
        return NULL;
    }
    Py_ssize_t n = Py_SIZE(&head);
    if (n < 0 || n > MAX_TABLE) {
        (void)raise_corrupted("A line table");
        return NULL;
    }
    NJ_OWN lines = PyBytes_FromStringAndSize(NULL, n);
    if (!lines ||
        (n && read_bytes(r, (uint64_t)co.co_linetable + offsetof(PyBytesObject, ob_sval),
                         PyBytes_AS_STRING(lines), (size_t)n) < 0)) {
        return NULL;
    }
    NJ_OWN file = read_str(r, (uint64_t)co.co_filename, MAX_TEXT);
    NJ_OWN name = file ? read_str(r, (uint64_t)co.co_qualname, MAX_TEXT) : NULL;
    NJ_OWN entry = name ? Py_BuildValue("OOiOK", file, name, co.co_firstlineno, lines,
                                        (unsigned long long)address +
                                            offsetof(PyCodeObject, co_code_adaptive))
                        : NULL;
    if (!entry || PyDict_SetItem(r->codes, key, entry) < 0) {
        return NULL;
    }
    return PyDict_GetItemWithError(r->codes, key);
}

static long
scan_varint(const uint8_t **p, const uint8_t *end)
{
    unsigned long v = 0;
    for (int shift = 0; *p < end && shift < 36; shift += 6) {
        uint8_t byte = *(*p)++;
        v |= (unsigned long)(byte & 63) << shift;
        if (!(byte & 64)) {
            break;
        }
    }
    return (long)v;
}

/* The line of the code unit `at'. An entry of co_linetable is for 1 to 8 units; its first byte
 * has bit 7, a kind and that number, and none of the bytes behind it has bit 7. */
static int
find_line(const uint8_t *p, Py_ssize_t size, int line, Py_ssize_t at)
{
    const uint8_t *end = p + size;
    Py_ssize_t unit = 0;
    while (p < end) {
        int kind = *p >> 3 & 15, length = (*p & 7) + 1;
        bool none = kind == 15;
        p++;
        if (kind == 14 || kind == 13) { /* the line by a signed number */
            long v = scan_varint(&p, end);
            line += (int)(v & 1 ? -(v >> 1) : v >> 1);
        }
        else if (kind >= 10 && kind <= 12) {
            line += kind - 10;
        }
        while (p < end && !(*p & 128)) { /* columns */
            p++;
        }
        unit += length;
        if (at < unit) {
            return none ? 0 : line;
        }
    }
    return line;
}

/* The FrameInfo of a frame: appended to list. 1, 0 for a frame without code, -1. */
static int
append_frame(Reader *r, const char *frame, PyObject *list)
{
    const NjRemoteTable *t = &r->u->table;
    uint64_t code, instr;
    memcpy(&code, frame + t->frame_code, sizeof(code));
    memcpy(&instr, frame + t->frame_instr, sizeof(instr));
    code &= ~(uint64_t)7;
    if ((uint64_t)(unsigned char)frame[t->frame_owner] >= t->hidden_owner || !code) {
        return 0;
    }
    PyObject *entry = read_code(r, code);
    if (!entry) {
        return -1;
    }
    uint64_t start = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(entry, 4));
    PyObject *lines = PyTuple_GET_ITEM(entry, 3);
    int line = find_line((const uint8_t *)PyBytes_AS_STRING(lines), PyBytes_GET_SIZE(lines),
                         PyLong_AsInt(PyTuple_GET_ITEM(entry, 2)),
                         (Py_ssize_t)(instr - start) / 2);
    NJ_OWN info = PyStructSequence_New(r->st->frame);
    PyObject *number = info ? PyLong_FromLong(line) : NULL;
    if (!number) {
        return -1;
    }
    PyStructSequence_SetItem(info, 0, Py_NewRef(PyTuple_GET_ITEM(entry, 0)));
    PyStructSequence_SetItem(info, 1, number);
    PyStructSequence_SetItem(info, 2, Py_NewRef(PyTuple_GET_ITEM(entry, 1)));
    return PyList_Append(list, info) < 0 ? -1 : 1;
}

static int
read_frame(const Reader *r, uint64_t address, char *frame)
{
    return read_bytes(r, address, frame, r->u->table.frame_size);
}

/* The frames from `address' to where C called Python, or to the frame `last'. New list. */
static PyObject *
read_stack(Reader *r, uint64_t address, uint64_t last)
{
    const NjRemoteTable *t = &r->u->table;
    NJ_OWN list = PyList_New(0);
    for (int n = 0; list && address; n++) {
        char frame[FRAME_ROOM];
        if (n == MAX_FRAMES) {
            (void)raise_corrupted("The stack");
            return NULL;
        }
        if (read_frame(r, address, frame) < 0 || append_frame(r, frame, list) < 0) {
            return NULL;
        }
        bool entered = (unsigned char)frame[t->frame_marks] & t->entered_mark;
        if (address == last || (entered && !last)) {
            break;
        }
        memcpy(&address, frame + t->frame_previous, sizeof(address));
    }
    return NJ_TAKE(list);
}

/* ---- threads --------------------------------------------------------------------------- */

/* Calls f for every thread state of every interpreter. */
static int
each_thread(Reader *r, int (*f)(Reader *, uint64_t thread, const PyThreadState *, PyObject *),
            PyObject *list)
{
    const NjRemoteTable *t = &r->u->table;
    uint64_t interp, thread;
    if (read_word(r, (uint64_t)t->main, &interp) < 0) {
        return -1;
    }
    int n = 0;
    while (interp) {
        if (read_word(r, interp + t->threads, &thread) < 0) {
            return -1;
        }
        while (thread) {
            PyThreadState ts;
            if (n++ == MAX_THREADS) {
                return raise_corrupted("The list of threads");
            }
            if (read_bytes(r, thread, &ts, sizeof(ts)) < 0 || f(r, thread, &ts, list) < 0) {
                return -1;
            }
            thread = (uint64_t)ts.next;
        }
        if (read_word(r, interp + t->interp_next, &interp) < 0) {
            return -1;
        }
    }
    return 0;
}

/* A structure of two fields of the type; steals second. */
static PyObject *
make_pair(PyTypeObject *type, PyObject *first, NJ_STEALS PyObject *second)
{
    NJ_OWN b = second;
    NJ_OWN a = first;
    NJ_OWN pair = a && b ? PyStructSequence_New(type) : NULL;
    if (!pair) {
        return NULL;
    }
    PyStructSequence_SetItem(pair, 0, NJ_TAKE(a));
    PyStructSequence_SetItem(pair, 1, NJ_TAKE(b));
    return NJ_TAKE(pair);
}

static int
append_steal(PyObject *list, NJ_STEALS PyObject *item)
{
    NJ_OWN it = item;
    return it ? PyList_Append(list, it) : -1;
}

static int
append_thread(Reader *r, uint64_t thread, const PyThreadState *ts, PyObject *list)
{
    return append_steal(
        list, make_pair(r->st->thread, PyLong_FromUnsignedLong(ts->native_thread_id),
                        read_stack(r, (uint64_t)ts->current_frame, 0)));
}

/* The thread that holds the main interpreter's GIL, 0 if none does. */
static int
find_active(const Reader *r, uint64_t *out)
{
    const NjRemoteTable *t = &r->u->table;
    uint64_t interp, gil;
    int locked = 0;
    if (read_word(r, (uint64_t)t->main, &interp) < 0 ||
        read_word(r, interp + t->gil, &gil) < 0 ||
        read_bytes(r, gil + t->gil_locked, &locked, sizeof(locked)) < 0 ||
        read_word(r, gil + t->gil_holder, out) < 0) {
        return -1;
    }
    if (!locked) {
        *out = 0;
    }
    return 0;
}

static int
find_main(const Reader *r, uint64_t *out)
{
    uint64_t interp;
    return read_word(r, (uint64_t)r->u->table.main, &interp) < 0
               ? -1
               : read_word(r, interp + r->u->table.main_tstate, out);
}

/* ---- tasks ------------------------------------------------------------------------------- */

static PyObject *
read_task_name(const Reader *r, uint64_t task)
{
    uint64_t name;
    PyVarObject head;
    if (read_word(r, task + r->tasks.name, &name) < 0 ||
        read_bytes(r, name, &head, sizeof(head)) < 0) {
        return NULL;
    }
    uint64_t flags;
    if (read_word(r, (uint64_t)head.ob_base.ob_type + offsetof(PyTypeObject, tp_flags),
                  &flags) < 0) {
        return NULL;
    }
    if (flags & Py_TPFLAGS_UNICODE_SUBCLASS) {
        return read_str(r, name, MAX_NAME);
    }
    /* a number that has not become a name yet: the count of tasks, at most three digits */
    uint64_t tag;
    uint32_t digit[3] = {0};
    if (!(flags & Py_TPFLAGS_LONG_SUBCLASS) ||
        read_word(r, name + offsetof(PyLongObject, long_value.lv_tag), &tag) < 0 ||
        (tag >> 3) > 3 ||
        read_bytes(r, name + offsetof(PyLongObject, long_value.ob_digit), digit,
                   (tag >> 3) * sizeof(digit[0])) < 0) {
        if (!PyErr_Occurred()) {
            (void)raise_corrupted("A task's name");
        }
        return NULL;
    }
    return PyUnicode_FromFormat("Task-%llu", (unsigned long long)digit[0] |
                                                 (unsigned long long)digit[1] << 30 |
                                                 (unsigned long long)digit[2] << 60);
}

/* The frames of a coroutine and of the coroutines it waits for, innermost first. */
static PyObject *
read_coroutine(Reader *r, uint64_t coro)
{
    const NjRemoteTable *t = &r->u->table;
    NJ_OWN list = PyList_New(0);
    for (int n = 0; list && coro; n++) {
        char frame[FRAME_ROOM];
        uint64_t type, stack, word;
        int8_t state;
        if (n == MAX_FRAMES) {
            (void)raise_corrupted("A chain of coroutines");
            return NULL;
        }
        if (read_word(r, coro + offsetof(PyObject, ob_type), &type) < 0) {
            return NULL;
        }
        if (type != (uint64_t)t->coroutine && type != (uint64_t)t->generator) {
            break;
        }
        if (read_bytes(r, coro + t->gen_state, &state, sizeof(state)) < 0) {
            return NULL;
        }
        if (state >= t->state_ended) {
            break;
        }
        if (read_frame(r, coro + t->gen_frame, frame) < 0 ||
            append_frame(r, frame, list) < 0) {
            return NULL;
        }
        if (state != t->state_delegates) {
            break;
        }
        memcpy(&stack, frame + t->frame_stack, sizeof(stack));
        if (read_word(r, stack - sizeof(word), &word) < 0) {
            return NULL;
        }
        coro = (word & 3) == 3 ? 0 : word & ~(uint64_t)3;
    }
    if (!list || PyList_Reverse(list) < 0) {
        return NULL;
    }
    return NJ_TAKE(list);
}

/* A CoroInfo: a stack (stolen) and the task it belongs to. */
static PyObject *
make_coro(const Reader *r, NJ_STEALS PyObject *stack, uint64_t task)
{
    NJ_OWN frames = stack;
    NJ_OWN id = frames ? PyLong_FromUnsignedLongLong(task) : NULL;
    NJ_OWN info = id ? PyStructSequence_New(r->st->coro) : NULL;
    if (!info) {
        return NULL;
    }
    PyStructSequence_SetItem(info, 0, NJ_TAKE(frames));
    PyStructSequence_SetItem(info, 1, NJ_TAKE(id));
    return NJ_TAKE(info);
}

static PyObject *
read_task_stack(Reader *r, uint64_t task)
{
    uint64_t coro;
    return read_word(r, task + r->tasks.coro, &coro) < 0 ? NULL : read_coroutine(r, coro);
}

/* Appends the CoroInfo of one waiter, and its address to waiters (a list, or NULL). */
static int
append_waiter(Reader *r, uint64_t task, PyObject *list, PyObject *waiters)
{
    uint8_t is_task;
    if (read_bytes(r, task + r->tasks.is_task, &is_task, 1) < 0) {
        return -1;
    }
    if (is_task != 1) {
        return 0;
    }
    if (append_steal(list, make_coro(r, read_task_stack(r, task), task)) < 0) {
        return -1;
    }
    return waiters ? append_steal(waiters, PyLong_FromUnsignedLongLong(task)) : 0;
}

/* The tasks that wait for one: CoroInfo in list. */
static int
read_waiters(Reader *r, uint64_t task, PyObject *list, PyObject *waiters)
{
    uint64_t waiter;
    uint8_t is_set;
    if (read_word(r, task + r->tasks.awaited_by, &waiter) < 0 ||
        read_bytes(r, task + r->tasks.awaited_by_set, &is_set, 1) < 0) {
        return -1;
    }
    if (!waiter) {
        return 0;
    }
    if (!is_set) {
        return append_waiter(r, waiter, list, waiters);
    }
    PySetObject set;
    if (read_bytes(r, waiter, &set, offsetof(PySetObject, smalltable)) < 0) {
        return -1;
    }
    if (set.mask < 0 || set.mask >= MAX_TASKS) {
        return raise_corrupted("A set of tasks");
    }
    for (Py_ssize_t i = 0, left = set.used; left > 0 && i <= set.mask; i++) {
        setentry e;
        if (read_bytes(r, (uint64_t)(set.table + i), &e, sizeof(e)) < 0) {
            return -1;
        }
        if (e.key && e.hash != -1) { /* -1: a deleted cell */
            if (append_waiter(r, (uint64_t)e.key, list, waiters) < 0) {
                return -1;
            }
            left--;
        }
    }
    return 0;
}

/* The TaskInfo of a task, appended to list. stack: of a running task, stolen; NULL: its
 * coroutines are asked. Waiters as for read_waiters. */
static int
append_task(Reader *r, uint64_t task, NJ_STEALS PyObject *stack, PyObject *list,
            PyObject *waiters)
{
    NJ_OWN frames = stack ? stack : read_task_stack(r, task);
    NJ_OWN coros = frames ? PyList_New(0) : NULL;
    if (!coros || (PyList_GET_SIZE(frames) &&
                   append_steal(coros, make_coro(r, NJ_TAKE(frames), task)) < 0)) {
        return -1;
    }
    NJ_OWN name = read_task_name(r, task);
    NJ_OWN awaited = name ? PyList_New(0) : NULL;
    if (!awaited || read_waiters(r, task, awaited, waiters) < 0) {
        return -1;
    }
    NJ_OWN info = PyStructSequence_New(r->st->task);
    PyObject *id = info ? PyLong_FromUnsignedLongLong(task) : NULL;
    if (!id) {
        return -1;
    }
    PyStructSequence_SetItem(info, 0, id);
    PyStructSequence_SetItem(info, 1, NJ_TAKE(name));
    PyStructSequence_SetItem(info, 2, NJ_TAKE(coros));
    PyStructSequence_SetItem(info, 3, NJ_TAKE(awaited));
    return PyList_Append(list, info);
}

/* A running task and all that wait for it, directly or not, each once: AwaitedInfo. */
static int
append_running(Reader *r, uint64_t thread, const PyThreadState *ts, PyObject *list)
{
    uint64_t task, coro;
    if (read_word(r, thread + r->u->table.running_task, &task) < 0) {
        return -1;
    }
    if (!task) {
        return 0;
    }
    if (read_word(r, task + r->tasks.coro, &coro) < 0) {
        return -1;
    }
    NJ_OWN tasks = PyList_New(0);
    NJ_OWN waiters = tasks ? PyList_New(0) : NULL;
    NJ_OWN seen = waiters ? PySet_New(NULL) : NULL;
    PyObject *stack = seen ? read_stack(r, (uint64_t)ts->current_frame,
                                        coro + r->u->table.gen_frame)
                           : NULL;
    if (!stack || append_task(r, task, stack, tasks, waiters) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(waiters); i++) {
        PyObject *id = PyList_GET_ITEM(waiters, i);
        int known = PySet_Contains(seen, id);
        if (known < 0 || PySet_Add(seen, id) < 0) {
            return -1;
        }
        uint64_t waiter = PyLong_AsUnsignedLongLong(id);
        if (!known && waiter != task && append_task(r, waiter, NULL, tasks, waiters) < 0) {
            return -1;
        }
    }
    return append_steal(
        list, make_pair(r->st->awaited, PyLong_FromUnsignedLong(ts->native_thread_id),
                        NJ_TAKE(tasks)));
}

/* The tasks in the ring whose loop is `loop': an AwaitedInfo of that thread. With loop 0,
 * those of no loop in `loops', as thread 0. */
static int
append_tasks(Reader *r, unsigned long thread, uint64_t loop, PyObject *loops, PyObject *list)
{
    uint64_t head = (uint64_t)r->tasks.tasks, node;
    NJ_OWN tasks = PyList_New(0);
    if (!tasks || read_word(r, head, &node) < 0) {
        return -1;
    }
    for (int n = 0; node != head; n++) {
        uint64_t task = node - r->tasks.node, of;
        if (n == MAX_TASKS || !node) {
            PyErr_SetString(PyExc_RuntimeError, "Task list appears corrupted");
            return -1;
        }
        if (read_word(r, task + r->tasks.loop, &of) < 0) {
            return -1;
        }
        bool mine = of == loop;
        if (!loop) {
            NJ_OWN key = PyLong_FromUnsignedLongLong(of);
            int known = key ? PySet_Contains(loops, key) : -1;
            if (known < 0) {
                return -1;
            }
            mine = !known;
        }
        if ((mine && append_task(r, task, NULL, tasks, NULL) < 0) ||
            read_word(r, node, &node) < 0) {
            return -1;
        }
    }
    return append_steal(list, make_pair(r->st->awaited, PyLong_FromUnsignedLong(thread),
                                        NJ_TAKE(tasks)));
}

/* ---- the class ------------------------------------------------------------------------- */

/* Where the process has its asyncio: 0, or -1 with RuntimeError where it has none. */
static int
find_asyncio(Reader *r)
{
    uint64_t interp, address;
    if (read_word(r, (uint64_t)r->u->table.main, &interp) < 0 ||
        read_word(r, interp + r->u->table.asyncio, &address) < 0) {
        return -1;
    }
    if (!address) {
        PyErr_SetString(PyExc_RuntimeError, "AsyncioDebug section not available");
        return -1;
    }
    return read_bytes(r, address, &r->tasks, sizeof(r->tasks));
}

#define READER(self)                                                                   \
    Reader r = {(Unwinder *)(self), PyType_GetModuleState(Py_TYPE(self)), {0}, NULL};  \
    NJ_OWN codes = r.codes = PyDict_New();                                             \
    NJ_OWN list = codes ? PyList_New(0) : NULL;                                        \
    if (!list) {                                                                       \
        return NULL;                                                                   \
    }

static PyObject *
get_stack_trace(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    READER(self)
    if (r.u->all_threads) {
        return each_thread(&r, append_thread, list) < 0 ? NULL : NJ_TAKE(list);
    }
    uint64_t thread;
    PyThreadState ts;
    if ((r.u->only_active ? find_active(&r, &thread) : find_main(&r, &thread)) < 0) {
        return NULL;
    }
    if (thread && (read_bytes(&r, thread, &ts, sizeof(ts)) < 0 ||
                   append_thread(&r, thread, &ts, list) < 0)) {
        return NULL;
    }
    return NJ_TAKE(list);
}

static PyObject *
get_async_stack_trace(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    READER(self)
    if (find_asyncio(&r) < 0 || each_thread(&r, append_running, list) < 0) {
        return NULL;
    }
    return NJ_TAKE(list);
}

/* Notes the loop of a thread: (native id, address). */
static int
append_loop(Reader *r, uint64_t thread, const PyThreadState *ts, PyObject *list)
{
    uint64_t loop;
    if (read_word(r, thread + r->u->table.running_loop, &loop) < 0) {
        return -1;
    }
    return append_steal(list, Py_BuildValue("kK", ts->native_thread_id,
                                            (unsigned long long)loop));
}

static PyObject *
get_all_awaited_by(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    READER(self)
    NJ_OWN threads = PyList_New(0);
    NJ_OWN loops = threads ? PySet_New(NULL) : NULL;
    if (!loops || find_asyncio(&r) < 0 || each_thread(&r, append_loop, threads) < 0) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(threads); i++) {
        PyObject *pair = PyList_GET_ITEM(threads, i);
        uint64_t loop = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(pair, 1));
        if (loop && (PySet_Add(loops, PyTuple_GET_ITEM(pair, 1)) < 0 ||
                     append_tasks(&r, PyLong_AsUnsignedLong(PyTuple_GET_ITEM(pair, 0)), loop,
                                  NULL, list) < 0)) {
            return NULL;
        }
    }
    return append_tasks(&r, 0, 0, loops, list) < 0 ? NULL : NJ_TAKE(list);
}

static int
unwinder_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"pid", "all_threads", "only_active_thread", "debug", NULL};
    int pid, all_threads = 0, only_active = 0, debug = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "i|$ppp:RemoteUnwinder", names, &pid,
                                     &all_threads, &only_active, &debug)) {
        return -1;
    }
    if (all_threads && only_active) {
        PyErr_SetString(PyExc_ValueError,
                        "all_threads and only_active_thread cannot both be True");
        return -1;
    }
    Unwinder *u = (Unwinder *)self;
    u->pid = pid;
    u->all_threads = all_threads;
    u->only_active = only_active;
    int found = nj_remote_find(pid, &u->table);
    if (found == 0 || (found > 0 && u->table.frame_size > FRAME_ROOM)) {
        PyErr_Format(PyExc_RuntimeError,
                     "Failed to find the PyRuntime section in process %d on Linux platform",
                     pid);
        return -1;
    }
    return found < 0 ? -1 : 0;
}

static void
unwinder_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef unwinder_methods[] = {
    {"get_stack_trace", get_stack_trace, METH_NOARGS,
     PyDoc_STR("get_stack_trace($self, /)\n--\n\n"
               "A list of ThreadInfo: of the main thread, with all_threads of all, with\n"
               "only_active_thread of the one that holds the GIL. Each has the frames from\n"
               "the innermost to where C called Python.")},
    {"get_all_awaited_by", get_all_awaited_by, METH_NOARGS,
     PyDoc_STR("get_all_awaited_by($self, /)\n--\n\n"
               "A list of AwaitedInfo: the unfinished tasks of each thread, what each waits\n"
               "for and which tasks wait for it; last those of no running loop.")},
    {"get_async_stack_trace", get_async_stack_trace, METH_NOARGS,
     PyDoc_STR("get_async_stack_trace($self, /)\n--\n\n"
               "A list of AwaitedInfo: the running task of each thread and the tasks that\n"
               "wait for it, directly or not.")},
    {NULL},
};

static PyType_Slot unwinder_slots[] = {
    {Py_tp_doc, "RemoteUnwinder(pid): Inspect stack of a remote Python process."},
    {Py_tp_init, unwinder_init},
    {Py_tp_dealloc, unwinder_dealloc},
    {Py_tp_methods, unwinder_methods},
    {0, NULL},
};

static PyType_Spec unwinder_spec = {
    .name = "_remote_debugging.RemoteUnwinder",
    .basicsize = sizeof(Unwinder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = unwinder_slots,
};

/* ---- the module --------------------------------------------------------------------------- */

static PyStructSequence_Field task_fields[] = {
    {"task_id", "The task's address"},
    {"task_name", "The task's name"},
    {"coroutine_stack", "Its coroutines, each with its frames"},
    {"awaited_by", "The tasks that wait for it"},
    {NULL},
};
static PyStructSequence_Field frame_fields[] = {
    {"filename", "The source file"},
    {"lineno", "The line in it"},
    {"funcname", "The function"},
    {NULL},
};
static PyStructSequence_Field coro_fields[] = {
    {"call_stack", "The frames"},
    {"task_name", "The task's address"},
    {NULL},
};
static PyStructSequence_Field thread_fields[] = {
    {"thread_id", "The thread"},
    {"frame_info", "Its frames"},
    {NULL},
};
static PyStructSequence_Field awaited_fields[] = {
    {"thread_id", "The thread"},
    {"awaited_by", "Its tasks"},
    {NULL},
};

static PyStructSequence_Desc records[] = {
    {"_remote_debugging.TaskInfo", "Information about an asyncio task", task_fields, 4},
    {"_remote_debugging.FrameInfo", "Information about a frame", frame_fields, 3},
    {"_remote_debugging.CoroInfo", "Information about a coroutine", coro_fields, 2},
    {"_remote_debugging.ThreadInfo", "Information about a thread", thread_fields, 2},
    {"_remote_debugging.AwaitedInfo", "Information about what a thread is awaiting",
     awaited_fields, 2},
};

static int
module_exec(PyObject *m)
{
    ModuleState *st = PyModule_GetState(m);
    PyTypeObject **types[] = {&st->task, &st->frame, &st->coro, &st->thread, &st->awaited};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(records); i++) {
        *types[i] = PyStructSequence_NewType(&records[i]);
        if (!*types[i] || PyModule_AddType(m, *types[i]) < 0) {
            return -1;
        }
    }
    NJ_OWN unwinder = PyType_FromModuleAndSpec(m, &unwinder_spec, NULL);
    if (!unwinder || PyModule_AddType(m, (PyTypeObject *)unwinder) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(m, "PROCESS_VM_READV_SUPPORTED", 1);
}

static int
module_traverse(PyObject *m, visitproc visit, void *arg)
{
    ModuleState *st = PyModule_GetState(m);
    Py_VISIT(st->task);
    Py_VISIT(st->frame);
    Py_VISIT(st->coro);
    Py_VISIT(st->thread);
    Py_VISIT(st->awaited);
    return 0;
}

static int
module_clear(PyObject *m)
{
    ModuleState *st = PyModule_GetState(m);
    Py_CLEAR(st->task);
    Py_CLEAR(st->frame);
    Py_CLEAR(st->coro);
    Py_CLEAR(st->thread);
    Py_CLEAR(st->awaited);
    return 0;
}

static void
module_free(void *m)
{
    (void)module_clear(m);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_remote_debugging",
    .m_size = sizeof(ModuleState),
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__remote_debugging(void)
{
    return PyModuleDef_Init(&module);
}

/* pickle_int.h - what the files of the module _pickle share.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_MODULES_PICKLE_INT_H
#define NJ_MODULES_PICKLE_INT_H

#include "nj.h"

enum {
    HIGHEST_PROTOCOL = 5,
    DEFAULT_PROTOCOL = 5,
    BATCH_SIZE = 1000,           /* items between MARK and APPENDS and the like */
    FRAME_SIZE_MIN = 4,          /* shorter frames are written without FRAME */
    FRAME_SIZE_TARGET = 64 << 10,
    FRAME_HEADER_SIZE = 9,
    FAST_NESTING_LIMIT = 50,     /* from here on, fast mode looks for cycles */
    WRITE_BUFFER_SIZE = 4096,
    PREFETCH = 128 << 10,
};

/* The opcodes; pickletools.py describes each. */
enum {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_POP = '0',
    OP_POP_MARK = '1',
    OP_DUP = '2',
    OP_FLOAT = 'F',
    OP_INT = 'I',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_LONG = 'L',
    OP_BININT2 = 'M',
    OP_NONE = 'N',
    OP_PERSID = 'P',
    OP_BINPERSID = 'Q',
    OP_REDUCE = 'R',
    OP_STRING = 'S',
    OP_BINSTRING = 'T',
    OP_SHORT_BINSTRING = 'U',
    OP_UNICODE = 'V',
    OP_BINUNICODE = 'X',
    OP_APPEND = 'a',
    OP_BUILD = 'b',
    OP_GLOBAL = 'c',
    OP_DICT = 'd',
    OP_EMPTY_DICT = '}',
    OP_APPENDS = 'e',
    OP_GET = 'g',
    OP_BINGET = 'h',
    OP_INST = 'i',
    OP_LONG_BINGET = 'j',
    OP_LIST = 'l',
    OP_EMPTY_LIST = ']',
    OP_OBJ = 'o',
    OP_PUT = 'p',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_SETITEM = 's',
    OP_TUPLE = 't',
    OP_EMPTY_TUPLE = ')',
    OP_SETITEMS = 'u',
    OP_BINFLOAT = 'G',
    /* protocol 2 */
    OP_PROTO = 0x80,
    OP_NEWOBJ = 0x81,
    OP_EXT1 = 0x82,
    OP_EXT2 = 0x83,
    OP_EXT4 = 0x84,
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_NEWTRUE = 0x88,
    OP_NEWFALSE = 0x89,
    OP_LONG1 = 0x8a,
    OP_LONG4 = 0x8b,
    /* protocol 3 */
    OP_BINBYTES = 'B',
    OP_SHORT_BINBYTES = 'C',
    /* protocol 4 */
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE8 = 0x8d,
    OP_BINBYTES8 = 0x8e,
    OP_EMPTY_SET = 0x8f,
    OP_ADDITEMS = 0x90,
    OP_FROZENSET = 0x91,
    OP_NEWOBJ_EX = 0x92,
    OP_STACK_GLOBAL = 0x93,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95,
    /* protocol 5 */
    OP_BYTEARRAY8 = 0x96,
    OP_NEXT_BUFFER = 0x97,
    OP_READONLY_BUFFER = 0x98,
};

typedef struct PickleState {
    PyObject *pickle_error, *pickling_error, *unpickling_error;
    PyTypeObject *pickler_type, *unpickler_type;
    PyTypeObject *pickler_memo_type, *unpickler_memo_type;
    /* of copyreg */
    PyObject *dispatch_table, *extension_registry, *inverted_registry, *extension_cache;
    /* of _compat_pickle */
    PyObject *name_mapping, *import_mapping;
    PyObject *reverse_name_mapping, *reverse_import_mapping;
    PyObject *codecs_encode, *getattr, *partial;
} PickleState;

extern struct PyModuleDef nj_pickle_module;

static inline PickleState *
pickle_state(PyTypeObject *tp)
{
    return PyModule_GetState(PyType_GetModuleByDef(tp, &nj_pickle_module));
}

/* obj.a.b.c for the text "a.b.c" if dotted, else obj.text: the reference's getattr for
 * names of protocol 4. */
NJ_MUST PyObject *nj_pickle_get_path(PyObject *obj, PyObject *dotted_path);

/* pickler.c */
extern PyType_Spec nj_pickler_spec, nj_pickler_memo_spec;
NJ_MUST PyObject *nj_pickle_dump(PickleState *st, PyObject *obj, PyObject *file,
                                 PyObject *protocol, int fix_imports,
                                 PyObject *buffer_callback);
/* unpickler.c */
extern PyType_Spec nj_unpickler_spec, nj_unpickler_memo_spec;
/* Either file or data is given. */
NJ_MUST PyObject *nj_pickle_load(PickleState *st, PyObject *file, PyObject *data,
                                 int fix_imports, const char *encoding,
                                 const char *errors, PyObject *buffers);
/* An optional str argument as UTF-8 without NUL; fname for the message. */
NJ_MUST int nj_pickle_text_arg(const char *fname, const char *argname, PyObject *o,
                               const char *dflt, const char **out);

#endif

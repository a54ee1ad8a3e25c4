/* ctypes_int.h - what the parts of _ctypes share.
 *
 * Every C type is a heap type whose metaclass derives from CType, and carries an Info
 * behind its type object. Every instance is a Data: a pointer to memory that is its own,
 * another instance's, or foreign. Objects that the memory points to are kept in the
 * `objects' of the outermost instance of that memory, under a key made of the indexes
 * on the way down.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_CTYPES_INT_H
#define NJ_CTYPES_INT_H

#include "nj.h"

#include <ffi.h>

#define SIG(s) s "\n--\n\n"
#define FN(f) ((PyCFunction)(void (*)(void))(f))
#define HIDDEN __attribute__((visibility("hidden")))

typedef struct State {
    /* the metaclasses */
    PyTypeObject *ctype, *struct_meta, *union_meta, *pointer_meta, *array_meta;
    PyTypeObject *simple_meta, *func_meta;
    /* the base classes */
    PyTypeObject *data, *structure, *union_, *pointer, *array, *simple, *func;
    PyTypeObject *field, *arg, *thunk;
    PyObject *arg_error;
    PyObject *unpickle;
    PyObject *get_layout; /* ctypes._layout.get_layout, once imported */
} State;

/* Reads a value at p; a new reference. */
typedef PyObject *(*Getter)(const void *p, Py_ssize_t size);
/* Writes value at p: a new reference to what must stay alive for it (None if nothing). */
typedef PyObject *(*Setter)(void *p, PyObject *value, Py_ssize_t size);

/* One simple type, by its type code. */
typedef struct SimpleDesc {
    char code;
    char format; /* in buffer formats */
    uint8_t size, align;
    bool is_signed, bits; /* bits: good for bit-fields */
    ffi_type *ffi;
    Getter get, get_swapped;
    Setter set, set_swapped;
} SimpleDesc;

enum { /* how the System V ABI classes a byte of a small aggregate: a set of these */
    CLASS_NONE = 0,
    CLASS_SSE = 1,
    CLASS_INTEGER = 2,
    CLASS_X87 = 4,
    CLASS_MEMORY = 8,
};
#define SMALL 16 /* larger aggregates travel in memory */

enum { KIND_NONE, KIND_SIMPLE, KIND_ARRAY, KIND_POINTER, KIND_STRUCT, KIND_UNION, KIND_FUNC };

#define FUNCFLAG_CDECL 1
#define FUNCFLAG_PYTHONAPI 4
#define FUNCFLAG_USE_ERRNO 8
#define FUNCFLAG_USE_LASTERROR 16
#define MAX_ARGS 1024

typedef struct Info {
    State *st; /* NULL: not initialised, an abstract class */
    int kind;
    bool final;
    bool has_pointer; /* its bytes mean nothing to another process */
    bool swapped;
    Py_ssize_t size, align, length;
    const SimpleDesc *simple; /* KIND_SIMPLE, and arrays of c_char and c_wchar */
    Getter get;               /* simple types only */
    Setter set;
    PyObject *proto; /* the item type of arrays and pointers, the code of simple types */
    PyObject *pointer_type;
    PyObject *arrays; /* dict of length -> weak reference to the array type, or NULL */
    /* function types */
    PyObject *argtypes, *converters, *restype, *checker;
    int func_flags;
    /* buffer interface; char *format is PyMem memory */
    char *format;
    int ndim;
    Py_ssize_t *shape;
    /* passing by value */
    ffi_type *ffi;
    ffi_type own_ffi;
    ffi_type *elements[SMALL + 1];
    uint8_t classes[SMALL];
} Info;

typedef struct CTypeObject {
    PyHeapTypeObject type;
    Info info;
} CTypeObject;

/* Only for a type known to be a C type. */
#define INFO(t) (&((CTypeObject *)(t))->info)

typedef union Value {
    char bytes[16];
    long double g;
} Value;

typedef struct Data Data;
#define DATA_HEAD                                                                      \
    PyObject_HEAD                                                                      \
    char *ptr;                                                                         \
    int needs_free; /* ptr is ours: `value' or PyMem memory */                         \
    Data *base;     /* the instance whose memory this one looks at, or NULL */         \
    Py_ssize_t size;                                                                   \
    Py_ssize_t length; /* how many items or fields */                                  \
    Py_ssize_t index;  /* which item of base */                                        \
    PyObject *objects; /* dict, a single object, or NULL */                            \
    Value value;
struct Data {
    DATA_HEAD
};

typedef struct FuncPtr {
    DATA_HEAD
    PyObject *thunk; /* a callback of ours */
    PyObject *callable;
    PyObject *converters, *argtypes, *restype, *checker, *errcheck, *paramflags;
} FuncPtr;

typedef struct Field {
    PyObject_HEAD
    PyObject *name;
    PyObject *type;
    Py_ssize_t byte_offset, byte_size, index;
    uint16_t bit_size, bit_offset; /* bit_size 0: not a bit-field */
    bool anonymous;
} Field;

/* An argument ready to be passed; also what byref() and from_param() return. */
typedef union ArgValue {
    char c;
    signed char b;
    short h;
    int i;
    long l;
    long long q;
    float f;
    double d;
    long double g;
    double complex_[2];
    long double lcomplex[2];
    void *p;
} ArgValue;

typedef struct Arg {
    PyObject_HEAD
    ffi_type *ffi;
    char tag; /* the type code; 'P' a pointer, 'V' an aggregate at value.p */
    ArgValue value;
    PyObject *obj;
} Arg;

typedef struct Thunk {
    PyObject_VAR_HEAD
    ffi_closure *closure;
    void *code;
    ffi_cif cif;
    int flags;
    PyObject *converters; /* tuple of argument types */
    PyObject *callable;
    PyObject *restype;
    ffi_type *types[]; /* of the arguments */
} Thunk;

extern HIDDEN PyModuleDef ctypes_module;

/* module.c */
HIDDEN State *ct_state_of_meta(PyTypeObject *meta);
HIDDEN State *ct_state_of(PyObject *type);
HIDDEN int ct_check_args(const char *name, Py_ssize_t nargs, Py_ssize_t min, Py_ssize_t max);

/* ctype.c: the metaclass CType and Info */
HIDDEN extern PyType_Spec ct_ctype_spec;
HIDDEN extern PyMethodDef ct_type_methods[]; /* with the common from_param() */
/* The methods that every metaclass has besides from_param(). */
HIDDEN PyObject *ct_from_address(PyObject *type, PyObject *const *a, Py_ssize_t n);
HIDDEN PyObject *ct_from_buffer(PyObject *type, PyObject *const *a, Py_ssize_t n);
HIDDEN PyObject *ct_from_buffer_copy(PyObject *type, PyObject *const *a, Py_ssize_t n);
HIDDEN PyObject *ct_in_dll(PyObject *type, PyObject *const *a, Py_ssize_t n);
#define CT_TYPE_METHODS                                                                   \
    {"from_address", FN(ct_from_address), METH_FASTCALL,                               \
     SIG("from_address($self, value, /)") "C.from_address(integer) -> C instance\n\n"  \
                                          "An instance that lives at an address."},    \
    {"from_buffer", FN(ct_from_buffer), METH_FASTCALL,                                    \
     SIG("from_buffer($self, obj, offset=0, /)")                                       \
         "C.from_buffer(object, offset=0) -> C instance\n\n"                           \
         "An instance that lives in a writable buffer."},                              \
    {"from_buffer_copy", FN(ct_from_buffer_copy), METH_FASTCALL,                          \
     SIG("from_buffer_copy($self, buffer, offset=0, /)")                               \
         "C.from_buffer_copy(object, offset=0) -> C instance\n\n"                      \
         "An instance with the bytes of a buffer."},                                   \
    {"in_dll", FN(ct_in_dll), METH_FASTCALL,                                              \
     SIG("in_dll($self, dll, name, /)") "C.in_dll(dll, name) -> C instance\n\n"        \
                                        "The variable of that name in a library."}

/* The Info of a concrete C type, else NULL without an exception. */
HIDDEN Info *ct_info(State *st, PyObject *type);
/* The fresh Info of a type under construction, or NULL with SystemError. */
HIDDEN Info *ct_info_init(PyObject *type, int kind);
HIDDEN PyObject *ct_array_of(PyObject *item, Py_ssize_t n);
HIDDEN char *ct_text(const char *format, ...);
HIDDEN void ct_set_class(Info *info, Py_ssize_t offset, const Info *part);
HIDDEN void ct_finish_ffi(Info *info);

/* data.c */
HIDDEN extern PyType_Spec ct_data_spec;
HIDDEN PyObject *ct_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
HIDDEN PyObject *ct_at_address(PyObject *type, void *p);
HIDDEN PyObject *ct_view(PyObject *type, PyObject *base, Py_ssize_t index, char *p);
HIDDEN PyObject *ct_get(PyObject *type, PyObject *self, Py_ssize_t index, char *p);
HIDDEN int ct_set(PyObject *self, PyObject *type, PyObject *value, Py_ssize_t index, char *p);
HIDDEN int ct_keep(Data *self, Py_ssize_t index, PyObject *keep NJ_STEALS);
HIDDEN Data *ct_container(Data *self);
HIDDEN int ct_traverse(PyObject *self, visitproc visit, void *arg);
HIDDEN int ct_clear(PyObject *self);
HIDDEN void ct_dealloc(PyObject *self);
HIDDEN int ct_getbuffer(PyObject *self, Py_buffer *view, int flags);

/* simple.c */
HIDDEN extern PyType_Spec ct_simple_meta_spec, ct_simple_spec;
HIDDEN const SimpleDesc *ct_simple_desc(char code);
HIDDEN bool ct_is_simple_subclass(State *st, PyObject *type);
HIDDEN PyObject *ct_wide_keep(PyObject *str, wchar_t **out);
HIDDEN extern const Getter ct_get_chars, ct_get_wchars;
HIDDEN extern const Setter ct_set_chars, ct_set_wchars;

/* aggregate.c, field.c, array.c, pointer.c */
HIDDEN extern PyType_Spec ct_struct_meta_spec, ct_union_meta_spec, ct_struct_spec, ct_union_spec;
HIDDEN extern PyType_Spec ct_field_spec;
HIDDEN PyObject *ct_field_clone(Field *f, Py_ssize_t index, Py_ssize_t offset);
HIDDEN extern PyType_Spec ct_array_meta_spec, ct_array_spec;
HIDDEN extern PyType_Spec ct_pointer_meta_spec, ct_pointer_spec;
HIDDEN extern PyType_Spec ct_func_meta_spec, ct_func_spec;
HIDDEN bool ct_is_char_array(const Info *info, char code);

/* callproc.c */
HIDDEN extern PyType_Spec ct_arg_spec;
HIDDEN Arg *ct_arg_new(State *st);
HIDDEN PyObject *ct_as_param(State *st, PyObject *data); /* an Arg for an instance */
HIDDEN PyObject *ct_from_param(PyObject *type, PyObject *value); /* the common one */
HIDDEN PyObject *ct_call(State *st, void *func, PyObject *args, int flags,
                         PyObject *converters, PyObject *restype, PyObject *checker);
HIDDEN int ct_swap_errno(void);
HIDDEN int *ct_errno_copy(void);
HIDDEN PyObject *ct_byref(State *st, PyObject *data, Py_ssize_t offset);

/* callback.c */
HIDDEN extern PyType_Spec ct_thunk_spec;
HIDDEN PyObject *ct_thunk_new(State *st, PyObject *callable, PyObject *converters,
                              PyObject *restype, int flags);

static inline bool
ct_is_data(State *st, PyObject *o)
{
    return PyObject_TypeCheck(o, st->data);
}

#endif

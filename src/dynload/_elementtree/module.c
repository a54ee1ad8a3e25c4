/* module.c - _elementtree, the engine of xml.etree.ElementTree.
 * SPDX-License-Identifier: MIT
 */
#include "elementtree.h"

#define FAST(f) ((PyCFunction)(void (*)(void))(f))

static int
check_factory(PyObject *o, const char *what)
{
    if (o == Py_None || PyCallable_Check(o)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s factory must be callable, not %.100s", what,
                 Py_TYPE(o)->tp_name);
    return -1;
}

static PyObject *
set_factories(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    EtState *st = PyModule_GetState(module);
    if (n != 2) {
        PyErr_Format(PyExc_TypeError, "_set_factories expected 2 arguments, got %zd", n);
        return NULL;
    }
    if (check_factory(args[0], "Comment") < 0 || check_factory(args[1], "PI") < 0) {
        return NULL;
    }
    PyObject *old = PyTuple_Pack(2, st->comment_factory ? st->comment_factory : Py_None,
                                 st->pi_factory ? st->pi_factory : Py_None);
    if (!old) {
        return NULL;
    }
    NJ_SET(st->comment_factory, args[0] == Py_None ? NULL : Py_NewRef(args[0]));
    NJ_SET(st->pi_factory, args[1] == Py_None ? NULL : Py_NewRef(args[1]));
    return old;
}

static PyMethodDef et_methods[] = {
    {"SubElement", FAST(et_sub_element), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_set_factories", FAST(set_factories), METH_FASTCALL,
     PyDoc_STR("_set_factories($module, comment_factory, pi_factory, /)\n--\n\n"
               "What makes comments and processing instructions; the former pair is\n"
               "returned. For ElementTree.py alone.")},
    {NULL, NULL, 0, NULL},
};

static int
import_parts(EtState *st)
{
    NJ_OWN copy = PyImport_ImportModule("copy");
    st->deepcopy = copy ? PyObject_GetAttrString(copy, "deepcopy") : NULL;
    st->element_path = st->deepcopy ? PyImport_ImportModule("xml.etree.ElementPath") : NULL;
    st->expat = st->element_path ? PyCapsule_Import(PyExpat_CAPSULE_NAME, 0) : NULL;
    if (!st->expat) {
        return -1;
    }
    if (strcmp(st->expat->magic, PyExpat_CAPI_MAGIC) != 0
        || (size_t)st->expat->size < sizeof(struct PyExpat_CAPI)) {
        PyErr_SetString(PyExc_ImportError, "pyexpat version is incompatible");
        return -1;
    }
    return 0;
}

static int
make_strings(EtState *st)
{
    const struct {
        PyObject **slot;
        const char *text;
    } strings[] = {
        {&st->str_text, "text"},         {&st->str_tail, "tail"},
        {&st->str_append, "append"},     {&st->str_find, "find"},
        {&st->str_findtext, "findtext"}, {&st->str_findall, "findall"},
        {&st->str_iterfind, "iterfind"}, {&st->str_close, "close"},
        {&st->str_read, "read"},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(strings); i++) {
        *strings[i].slot = PyUnicode_InternFromString(strings[i].text);
        if (!*strings[i].slot) {
            return -1;
        }
    }
    return 0;
}

static int
add_type(PyObject *module, PyTypeObject **slot, PyType_Spec *spec, bool visible)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *slot && (!visible || PyModule_AddType(module, *slot) == 0) ? 0 : -1;
}

static int
et_exec(PyObject *module)
{
    EtState *st = PyModule_GetState(module);
    if (make_strings(st) < 0 || import_parts(st) < 0) {
        return -1;
    }
    st->parse_error = PyErr_NewException("xml.etree.ElementTree.ParseError",
                                         PyExc_SyntaxError, NULL);
    if (!st->parse_error || PyModule_AddObjectRef(module, "ParseError", st->parse_error) < 0
        || add_type(module, &st->iterator_type, &et_iterator_spec, false) < 0
        || add_type(module, &st->element_type, &et_element_spec, true) < 0
        || add_type(module, &st->builder_type, &et_builder_spec, true) < 0
        || add_type(module, &st->parser_type, &et_parser_spec, true) < 0) {
        return -1;
    }
    return 0;
}

#define STATE_FIELDS(F)                                                                \
    F(element_type) F(iterator_type) F(builder_type) F(parser_type) F(parse_error)     \
    F(deepcopy) F(element_path) F(comment_factory) F(pi_factory) F(str_text)           \
    F(str_tail) F(str_append) F(str_find) F(str_findtext) F(str_findall)               \
    F(str_iterfind) F(str_close) F(str_read)

static int
et_traverse(PyObject *module, visitproc visit, void *arg)
{
    EtState *st = PyModule_GetState(module);
#define VISIT(f) Py_VISIT(st->f);
    STATE_FIELDS(VISIT)
#undef VISIT
    return 0;
}

static int
et_clear(PyObject *module)
{
    EtState *st = PyModule_GetState(module);
#define CLEAR(f) Py_CLEAR(st->f);
    STATE_FIELDS(CLEAR)
#undef CLEAR
    return 0;
}

static void
et_free(void *module)
{
    (void)et_clear(module);
}

static PyModuleDef_Slot et_slots[] = {
    {Py_mod_exec, et_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

struct PyModuleDef et_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_elementtree",
    .m_size = sizeof(EtState),
    .m_methods = et_methods,
    .m_slots = et_slots,
    .m_traverse = et_traverse,
    .m_clear = et_clear,
    .m_free = et_free,
};

PyMODINIT_FUNC
PyInit__elementtree(void)
{
    return PyModuleDef_Init(&et_module);
}

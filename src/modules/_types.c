/* _types.c - the names of the types module, each bound to its built-in type.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"


extern PyTypeObject NjNamespace_Type;
extern PyTypeObject NjMethodWrapper_Type;

static int
types_exec(PyObject *m)
{
    struct {
        const char *name;
        PyTypeObject *type;
    } const names[] = {
        {"AsyncGeneratorType", &PyAsyncGen_Type},
        {"BuiltinFunctionType", &PyCFunction_Type},
        {"BuiltinMethodType", &PyCFunction_Type},
        {"CapsuleType", &PyCapsule_Type},
        {"CellType", &PyCell_Type},
        {"ClassMethodDescriptorType", &PyClassMethodDescr_Type},
        {"CodeType", &PyCode_Type},
        {"CoroutineType", &PyCoro_Type},
        {"EllipsisType", &PyEllipsis_Type},
        {"FrameType", &PyFrame_Type},
        {"FunctionType", &PyFunction_Type},
        {"GeneratorType", &PyGen_Type},
        {"GenericAlias", &Py_GenericAliasType},
        {"GetSetDescriptorType", &PyGetSetDescr_Type},
        {"LambdaType", &PyFunction_Type},
        {"MappingProxyType", &PyDictProxy_Type},
        {"MemberDescriptorType", &PyMemberDescr_Type},
        {"MethodDescriptorType", &PyMethodDescr_Type},
        {"MethodType", &PyMethod_Type},
        {"MethodWrapperType", &NjMethodWrapper_Type},
        {"ModuleType", &PyModule_Type},
        {"NoneType", Py_TYPE(Py_None)},
        {"NotImplementedType", Py_TYPE(Py_NotImplemented)},
        {"SimpleNamespace", &NjNamespace_Type},
        {"TracebackType", &PyTraceBack_Type},
        {"UnionType", NULL},
        {"WrapperDescriptorType", &PyWrapperDescr_Type},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(names); i++) {
        PyObject *type = (PyObject *)names[i].type;
        if (!type) {
            /* the type of `int | str' has no public symbol */
            NJ_OWN u = PyNumber_Or((PyObject *)&PyLong_Type, (PyObject *)&PyUnicode_Type);
            if (!u) {
                return -1;
            }
            if (PyModule_AddObjectRef(m, names[i].name, (PyObject *)Py_TYPE(u)) < 0) {
                return -1;
            }
            continue;
        }
        if (PyModule_AddObjectRef(m, names[i].name, type) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyModuleDef_Slot types_slots[] = {
    {Py_mod_exec, types_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef types_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_types",
    .m_doc = "Define names for built-in types.",
    .m_slots = types_slots,
};

PyMODINIT_FUNC PyInit__types(void);

PyMODINIT_FUNC
PyInit__types(void)
{
    return PyModuleDef_Init(&types_module);
}

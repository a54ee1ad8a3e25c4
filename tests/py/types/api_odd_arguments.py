"""Arguments that the API gets from nobody in his right mind, and what objects make of them."""
import codecs
import ctypes
import marshal
import operator
import sys
import types
import warnings

api = ctypes.pythonapi
NULL = ctypes.py_object()


def call(name, *args, result=ctypes.c_int):
    function = getattr(api, name)
    function.restype = result
    function.argtypes = [ctypes.py_object if not isinstance(a, (int, bytes)) or isinstance(a, bool) else
                         ctypes.c_ssize_t if isinstance(a, int) else ctypes.c_char_p for a in args]
    try:
        print(name, function(*args))
    except Exception as e:
        print(name, type(e).__name__, str(e).split('.c:')[-1].lstrip('0123456789: ')) # without the place


def attempt(function, *args):
    try:
        print(function(*args))
    except Exception as e:
        print(type(e).__name__, str(e) or 'without a text')


# both arguments are NULL or none is: one alone was dereferenced
call('PyObject_RichCompareBool', NULL, 'x', 2)
call('PyObject_RichCompareBool', 'x', NULL, 3)
# no stream: the errors are none
call('PyCodec_StreamReader', b'utf-8', NULL, b'strict', result=ctypes.py_object)
call('PyCodec_StreamWriter', b'utf-8', NULL, b'strict', result=ctypes.py_object)
# a lone surrogate has no bytes to print
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.fclose.argtypes = [ctypes.c_void_p]
api.PyObject_Print.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int]
for flags in 0, 1:
    out = libc.fopen(b'/dev/null', b'w')
    attempt(api.PyObject_Print, 'a\ud800', out, flags)
    libc.fclose(out)
# two texts that are no UTF-8: the first error is the one that is raised
call('PyImport_ImportModuleAttrString', b'\xe2\x82', b'\xe2\x82', result=ctypes.py_object)
call('PyErr_WarnExplicit', UserWarning, b'\xff', b'f', 1, b'\xe2\x82', None)
call('PyErr_WarnExplicitObject', UserWarning, 5, len, 64, NULL, None)
call('PyUnicode_EncodeLocale', len, b'nosuch', result=ctypes.py_object)
call('PyUnicode_EncodeLocale', 'a\0b', b'nosuch', result=ctypes.py_object)
call('PyUnicode_DecodeLocaleAndSize', b'abc', 2, b'nosuch', result=ctypes.py_object)
call('PyUnstable_Exc_PrepReraiseStar', 'x', None, result=ctypes.py_object)
call('PyUnstable_Exc_PrepReraiseStar', ValueError(), (), result=ctypes.py_object)
call('PyUnstable_Exc_PrepReraiseStar', ValueError(), [1], result=ctypes.py_object)
place, size = ctypes.c_void_p(), ctypes.c_ssize_t()
for o in (b'abc', 5):
    try:
        api.PyObject_AsWriteBuffer(ctypes.py_object(o), ctypes.byref(place), ctypes.byref(size))
    except Exception as e:
        print(type(e).__name__, e)

# configuration: ranges by the kind of the option
api.PyInitConfig_Create.restype = ctypes.c_void_p
for name, value in ((b'verbose', -1), (b'verbose', 2 ** 32 - 1), (b'verbose', 2 ** 32), (b'cpu_count', -1), (b'nosuch', 1),
                    (b'cpu_count', 2 ** 31), (b'hash_seed', -1), (b'hash_seed', 2 ** 40), (b'argv', 1), (b'allocator', -1)):
    config = ctypes.c_void_p(api.PyInitConfig_Create())
    failed = api.PyInitConfig_SetInt(config, name, ctypes.c_int64(value))
    text = ctypes.c_char_p()
    api.PyInitConfig_GetError(config, ctypes.byref(text))
    print(name, value, failed, text.value)
    api.PyInitConfig_Free(config)
config = ctypes.c_void_p(api.PyInitConfig_Create())
found = []
for name in (b'faulthandler', b'thread_inherit_context', b'context_aware_warnings'):
    value = ctypes.c_int64()
    found.append((api.PyInitConfig_GetInt(config, name, ctypes.byref(value)), value.value))
for name in (b'utf8_mode', b'verbose'):
    found.append((api.PyInitConfig_SetStrList(config, name, ctypes.c_size_t(0), None)))
    text = ctypes.c_char_p()
    api.PyInitConfig_GetError(config, ctypes.byref(text))
    found.append(text.value)
print(found)
api.PyInitConfig_Free(config)

# a code object's name is looked at before its variables
code = call.__code__
attempt(lambda: code.replace(co_varnames=()))


class Wrong:
    def __index__(self):
        return 'x'


class Fails:
    def __index__(self):
        raise ValueError('asked')


for data in (b'abc', bytearray(b'abc')):
    for o in (Wrong(), Fails(), 300, 98):
        attempt(operator.contains, data, o)

data = bytearray(b'abcd')
for values in (slice(1), b'x', 'x', 5):
    attempt(operator.setitem, data, slice(None, None, 0), values)
attempt(operator.setitem, data, slice(None, None, 'x'), 'x')


class Index:
    def __init__(self, value):
        self.value = value

    def __index__(self):
        print('index', self.value)
        return self.value


data[Index(0):Index(2)] = b'xy'
data[Index(0):Index(2)] = bytearray(b'xy')

proxy = types.MappingProxyType({'a': 1})
for op in (operator.lt, operator.ge):
    attempt(op, proxy, types.MappingProxyType({}))
    attempt(op, proxy, {})
print(proxy == types.MappingProxyType({'a': 1}), proxy != {'a': 1})
attempt(operator.mul, b'a', sys.maxsize)
attempt(operator.mul, b'ab', sys.maxsize)


class List(list):
    pass


class Iterates(list):
    def __iter__(self):
        return iter([7])


for cls in (List, Iterates):
    one = cls([1, 2])
    one.extend(one)
    one += one
    print(one)

for error in (UnicodeEncodeError('x', 'ab\xe9', 2, 1, 'bad'), UnicodeDecodeError('x', b'abc', 5, 1, 'bad'),
              UnicodeTranslateError('ab\xe9', 2, 0, 'bad')):
    for name in ('ignore', 'replace', 'xmlcharrefreplace', 'backslashreplace', 'namereplace'):
        attempt(codecs.lookup_error(name), error)

for data in (b')\x01', b')', b'', b'(\xff\0\0\0', b'(\xff\0\0\0N', b'(\xff\0\0\0Nzz', b'[\xff\0\0\0Nz', b'<\xff\0\0\x000',
             b'z', b'z\5ab', b'i\0\0'):
    attempt(marshal.loads, data)

# an instance of a subclass is an argument for PyErr_Restore, and the exception itself for PyErr_SetObject
for name in ('PyErr_Restore', 'PyErr_SetObject'):
    for cls, value in ((Exception, ValueError('v')), (ValueError, ValueError('v')), (KeyError, ValueError('w'))):
        function = getattr(api, name)
        function.restype = None
        function.argtypes = [ctypes.py_object] * 3
        api.Py_IncRef(ctypes.py_object(cls))
        api.Py_IncRef(ctypes.py_object(value))
        try:
            function(cls, value, NULL)
        except Exception as e:
            print(name, cls.__name__, repr(value), repr(e), e is value)

# -> PyObject_RichCompareBool SystemError bad argument to internal function
# -> PyObject_RichCompareBool SystemError bad argument to internal function
# -> PyCodec_StreamReader SystemError NULL object passed to Py_BuildValue
# -> PyCodec_StreamWriter SystemError NULL object passed to Py_BuildValue
# -> 0
# -> UnicodeEncodeError 'utf-8' codec can't encode character '\ud800' in position 1: surrogates not allowed
# -> PyImport_ImportModuleAttrString UnicodeDecodeError 'utf-8' codec can't decode bytes in position 0-1: unexpected end of data
# -> PyErr_WarnExplicit UnicodeDecodeError 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte
# -> PyErr_WarnExplicitObject TypeError bad argument type for built-in operation
# -> PyUnicode_EncodeLocale TypeError bad argument type for built-in operation
# -> PyUnicode_EncodeLocale ValueError embedded null character
# -> PyUnicode_DecodeLocaleAndSize ValueError embedded null byte
# -> PyUnstable_Exc_PrepReraiseStar TypeError orig must be an exception instance
# -> PyUnstable_Exc_PrepReraiseStar TypeError excs must be a list of exception instances
# -> PyUnstable_Exc_PrepReraiseStar TypeError item 0 of excs is not an exception
# -> TypeError expected a writable bytes-like object
# -> TypeError expected a writable bytes-like object
# -> b'verbose' -1 -1 b'config option value is out of unsigned int range'
# -> b'verbose' 4294967295 0 None
# -> b'verbose' 4294967296 -1 b'config option value is out of unsigned int range'
# -> b'cpu_count' -1 0 None
# -> b'nosuch' 1 -1 b'unknown config option name'
# -> b'cpu_count' 2147483648 -1 b'config option value is out of int range'
# -> b'hash_seed' -1 -1 b'config option value is out of unsigned long range'
# -> b'hash_seed' 1099511627776 0 None
# -> b'argv' 1 -1 b'config option type is not int'
# -> b'allocator' -1 0 None
# -> [(0, -1), (0, 0), (0, 0), -1, b'config option type is not strings list', -1, b'config option type is not strings list']
# -> ValueError code: co_varnames is too small
# -> TypeError a bytes-like object is required, not 'Wrong'
# -> TypeError a bytes-like object is required, not 'Fails'
# -> ValueError byte must be in range(0, 256)
# -> True
# -> TypeError a bytes-like object is required, not 'Wrong'
# -> TypeError a bytes-like object is required, not 'Fails'
# -> ValueError byte must be in range(0, 256)
# -> True
# -> ValueError slice step cannot be zero
# -> ValueError slice step cannot be zero
# -> ValueError slice step cannot be zero
# -> ValueError slice step cannot be zero
# -> TypeError slice indices must be integers or None or have an __index__ method
# -> index 0
# -> index 2
# -> index 0
# -> index 2
# -> index 0
# -> index 2
# -> TypeError '>' not supported between instances of 'dict' and 'dict'
# -> TypeError '<' not supported between instances of 'dict' and 'dict'
# -> TypeError '<=' not supported between instances of 'dict' and 'dict'
# -> TypeError '>=' not supported between instances of 'dict' and 'dict'
# -> True False
# -> MemoryError without a text
# -> OverflowError repeated bytes are too long
# -> [1, 2, 1, 2, 1, 2, 1, 2]
# -> [1, 2, 1, 2, 1, 2, 1, 2]
# -> ('', 1)
# -> ('', 1)
# -> ('', 1)
# -> ('', 1)
# -> ('', 2)
# -> ('', 1)
# -> ('�', 1)
# -> TypeError don't know how to handle UnicodeDecodeError in error callback
# -> ('', 1)
# -> TypeError don't know how to handle UnicodeDecodeError in error callback
# -> ('', 1)
# -> ('', 1)
# -> TypeError don't know how to handle UnicodeTranslateError in error callback
# -> ('', 1)
# -> TypeError don't know how to handle UnicodeTranslateError in error callback
# -> EOFError EOF read where object expected
# -> EOFError EOF read where not expected
# -> EOFError EOF read where object expected
# -> EOFError EOF read where object expected
# -> EOFError EOF read where object expected
# -> EOFError marshal data too short
# -> EOFError EOF read where not expected
# -> TypeError NULL object in marshal data for set
# -> EOFError EOF read where not expected
# -> EOFError marshal data too short
# -> EOFError marshal data too short
# -> PyErr_Restore Exception ValueError('v') Exception(ValueError('v')) False
# -> PyErr_Restore ValueError ValueError('v') ValueError('v') True
# -> PyErr_Restore KeyError ValueError('w') KeyError(ValueError('w')) False
# -> PyErr_SetObject Exception ValueError('v') ValueError('v') True
# -> PyErr_SetObject ValueError ValueError('v') ValueError('v') True
# -> PyErr_SetObject KeyError ValueError('w') KeyError(ValueError('w')) False

"""The sequence side of subclasses of built-in types: an index goes through __getitem__, also a negative one."""
import array
import collections
import ctypes
import types

api = ctypes.pythonapi


def call(name, o, *args):
    function = getattr(api, name)
    function.restype = ctypes.py_object if name == 'PySequence_GetItem' else ctypes.c_int
    function.argtypes = [ctypes.py_object, ctypes.c_ssize_t, ctypes.py_object][:1 + len(args)]
    try:
        return function(o, *args)
    except Exception as e:
        return f'{type(e).__name__} {e}'


class Missing(dict):
    def __missing__(self, key):
        return 'missing', key


class Own(list):
    def __getitem__(self, key):
        return 'own', key


class Item:
    def __getitem__(self, key):
        return key


def subclass(base, *args):
    return type('Sub_' + base.__name__, (base,), {})(*args)


for o in (subclass(list, [1]), subclass(tuple, (1,)), subclass(str, 'a'), subclass(bytes, b'a'), subclass(bytearray, b'a'),
          subclass(dict, {-1: 5}), subclass(collections.deque, [1]), subclass(collections.OrderedDict),
          subclass(collections.defaultdict, int), subclass(array.array, 'i', [1]), subclass(types.GenericAlias, list, int),
          collections.namedtuple('N', 'x')(1), collections.Counter('a'), Missing(), Own([1]), Item(), [1], {}):
    print(type(o).__name__, call('PySequence_Check', o), call('PyMapping_Check', o),
          [call('PySequence_GetItem', o, i) for i in (0, -1, -2, -3, 5)])
    if not isinstance(o, (tuple, str, bytes)):
        print([call('PySequence_SetItem', o, i, 7) for i in (-2, 0)], call('PySequence_DelItem', o, -2))
# and follows the class
class Changes(list):
    pass


o = Changes([1])
print(call('PySequence_GetItem', o, -2))
Changes.__getitem__ = lambda self, key: ('changed', key)
print(call('PySequence_GetItem', o, -2))
del Changes.__getitem__
print(call('PySequence_GetItem', o, -2))

# -> Sub_list 1 1 [1, 1, 1, 'IndexError list index out of range', 'IndexError list index out of range']
# -> [0, 0] 0
# -> Sub_tuple 1 1 [1, 1, 1, 'IndexError tuple index out of range', 'IndexError tuple index out of range']
# -> Sub_str 1 1 ['a', 'a', 'a', 'IndexError string index out of range', 'IndexError string index out of range']
# -> Sub_bytes 1 1 [97, 97, 97, 'IndexError index out of range', 'IndexError index out of range']
# -> Sub_bytearray 1 1 [97, 97, 97, 'IndexError bytearray index out of range', 'IndexError bytearray index out of range']
# -> [0, 0] 0
# -> Sub_dict 0 1 ['KeyError 0', 'KeyError 0', 5, 'KeyError -2', 'KeyError 5']
# -> ['TypeError Sub_dict is not a sequence', 'TypeError Sub_dict is not a sequence'] TypeError Sub_dict is not a sequence
# -> Sub_deque 1 0 [1, 1, 'IndexError deque index out of range', 'IndexError deque index out of range', 'IndexError deque index out of range']
# -> ['IndexError deque index out of range', 0] IndexError deque index out of range
# -> Sub_OrderedDict 0 1 ['KeyError 0', 'KeyError -1', 'KeyError -2', 'KeyError -3', 'KeyError 5']
# -> ['TypeError Sub_OrderedDict is not a sequence', 'TypeError Sub_OrderedDict is not a sequence'] TypeError Sub_OrderedDict is not a sequence
# -> Sub_defaultdict 0 1 [0, 0, 0, 0, 0]
# -> ['TypeError Sub_defaultdict is not a sequence', 'TypeError Sub_defaultdict is not a sequence'] TypeError Sub_defaultdict is not a sequence
# -> Sub_array 1 1 [1, 1, 1, 'IndexError array index out of range', 'IndexError array index out of range']
# -> [0, 0] 0
# -> Sub_GenericAlias 0 1 ['TypeError Sub_GenericAlias is not a sequence', 'TypeError Sub_GenericAlias is not a sequence', 'TypeError Sub_GenericAlias is not a sequence', 'TypeError Sub_GenericAlias is not a sequence', 'TypeError Sub_GenericAlias is not a sequence']
# -> ["TypeError 'Sub_GenericAlias' object does not support item assignment", "TypeError 'Sub_GenericAlias' object does not support item assignment"] TypeError 'Sub_GenericAlias' object doesn't support item deletion
# -> N 1 1 [1, 1, 1, 'IndexError tuple index out of range', 'IndexError tuple index out of range']
# -> Counter 0 1 [0, 0, 0, 0, 0]
# -> [0, 0] 0
# -> Missing 0 1 [('missing', 0), ('missing', -1), ('missing', -2), ('missing', -3), ('missing', 5)]
# -> ['TypeError Missing is not a sequence', 'TypeError Missing is not a sequence'] TypeError Missing is not a sequence
# -> Own 1 1 [('own', 0), ('own', 0), ('own', -1), ('own', -2), ('own', 5)]
# -> [0, 0] 0
# -> Item 1 1 [0, -1, -2, -3, 5]
# -> ["TypeError 'Item' object does not support item assignment", "TypeError 'Item' object does not support item assignment"] TypeError 'Item' object doesn't support item deletion
# -> list 1 1 [1, 1, 'IndexError list index out of range', 'IndexError list index out of range', 'IndexError list index out of range']
# -> ['IndexError list assignment index out of range', 0] IndexError list assignment index out of range
# -> dict 0 1 ['TypeError dict is not a sequence', 'TypeError dict is not a sequence', 'TypeError dict is not a sequence', 'TypeError dict is not a sequence', 'TypeError dict is not a sequence']
# -> ['TypeError dict is not a sequence', 'TypeError dict is not a sequence'] TypeError dict is not a sequence
# -> 1
# -> ('changed', -1)
# -> 1

"""objects.py - what the C API fuzzer hands to the API: MAKERS, functions that make one object each, and GROUPS, the
indices of those that make objects of one type. Run inside the interpreter under test; the order must not change."""
import collections
import types
import weakref


class Plain:
    def __init__(self):
        self.attr = 1

    def method(self):
        return self.attr


class Slotted:
    __slots__ = ('a', '__weakref__')


class Callable:
    def __call__(self, *args, **kwargs):
        return len(args), sorted(kwargs)


class Number:
    def __index__(self):
        return 3

    def __float__(self):
        return 2.5

    def __complex__(self):
        return 1j

    def __int__(self):
        return 4

    def __add__(self, other):
        return 'sum'

    __radd__ = __iadd__ = __add__

    def __sub__(self, other):
        return NotImplemented

    __rsub__ = __sub__


class Raises:
    """Fails at whatever is asked of it, but not at being shown."""
    def fail(self, *args):
        raise ValueError('asked')

    __eq__ = __lt__ = __hash__ = __len__ = __iter__ = __bool__ = __index__ = __float__ = fail
    __getitem__ = __setitem__ = __delitem__ = __contains__ = __call__ = __add__ = __format__ = fail
    __length_hint__ = __next__ = __bytes__ = __fspath__ = fail

    def __getattr__(self, name):
        raise AttributeError('no ' + name)

    def __repr__(self):
        return 'Raises()'


class Liar:
    """Answers with objects of types that are not allowed."""
    def wrong(self, *args):
        return [self.__class__.__name__]

    __len__ = __iter__ = __bool__ = __index__ = __float__ = __int__ = __hash__ = __complex__ = wrong
    __contains__ = __eq__ = __lt__ = __add__ = __format__ = __length_hint__ = __bytes__ = __fspath__ = wrong
    __getitem__ = __call__ = __dir__ = wrong

    def __repr__(self):
        return 'Liar()'


class BadText:
    def __repr__(self):
        return 5

    __str__ = __repr__


class NegativeLength:
    def __len__(self):
        return -1

    def __length_hint__(self):
        return -2

    def __getitem__(self, index):
        if index > 2:
            raise IndexError(index)
        return index * 10


class Mapping:
    def keys(self):
        return ['k', 'l']

    def __getitem__(self, key):
        return key * 2

    def values(self):
        return (1, 2)

    def items(self):
        return iter([('k', 1)])

    def __len__(self):
        return 2


class Sequence:
    def __len__(self):
        return 3

    def __getitem__(self, index):
        if not 0 <= index < 3:
            raise IndexError('out')
        return chr(97 + index)


class Iterator:
    def __init__(self):
        self.left = 2

    def __iter__(self):
        return self

    def __next__(self):
        self.left -= 1
        if self.left < 0:
            raise StopIteration('end')
        return self.left


class Meta(type):
    def __instancecheck__(cls, obj):
        return True

    def __subclasscheck__(cls, sub):
        raise TypeError('meta')


class WithMeta(metaclass=Meta):
    pass


class Descriptor:
    def __get__(self, obj, owner):
        return 'got'

    def __set__(self, obj, value):
        raise AttributeError('read-only')


class Described:
    d = Descriptor()

    @property
    def p(self):
        return 7

    @staticmethod
    def s():
        return 's'

    @classmethod
    def c(cls):
        return cls.__name__


class IntSub(int):
    pass


class StrSub(str):
    pass


class ListSub(list):
    pass


class TupleSub(tuple):
    pass


class DictSub(dict):
    def __missing__(self, key):
        return 'missing'


class BytesSub(bytes):
    pass


class FloatSub(float):
    pass


class SetSub(set):
    pass


class MyError(Exception):
    pass


def function(a, b=2, *args, c=3, **kw):
    return a, b


def free():
    value = 1

    def inner():
        return value
    return inner


def generator():
    yield 1
    yield 2


async def coroutine():
    return 1


Point = collections.namedtuple('Point', 'x y')


def caught(exc):
    try:
        raise exc
    except Exception as e:
        return e


def new_class():
    return type('Fresh', (), {'x': 1, 'f': lambda self: 2})


def listed(*makers):
    return list(makers)


BY_TYPE = {
    'none': listed(lambda: None, lambda: NotImplemented, lambda: ..., lambda: True, lambda: False),
    'int': listed(*[lambda v=v: v + 0 for v in (
        0, 1, -1, 2, 3, 7, 100, 255, 256, -5, 65, 65536, 2**30, 2**62, 2**63 - 1, -2**63, 2**63, 2**64, -2**64, 10**25)],
        lambda: IntSub(5), lambda: True),
    'float': listed(*[lambda v=v: v for v in (0.0, -0.0, 1.5, -2.25, 1e300, float('inf'), float('nan'))],
                    lambda: FloatSub(3.5)),
    'complex': listed(lambda: 1 + 2j, lambda: 0j, lambda: complex('inf')),
    'str': listed(*[lambda v=v: ''.join(list(v)) for v in (
        '', 'a', 'abc', 'caf\xe9', '\u20acuro', '\U0001f600x', 'a\0b', '\ud800', '12', ' 7 ', 'name', 'attr', 'k',
        'a,b,,c', 'line1\nline2\r\nline3', 'utf-8', '3.25', '%s-%d', '\u0663', 'x' * 40)], lambda: StrSub('sub')),
    'bytes': listed(*[lambda v=v: bytes(bytearray(v)) for v in (b'', b'a', b'abc', b'a\0b', b'\xff\xfe', b'12',
                                                                b'\xc3\xa9', b'%s-%d')], lambda: BytesSub(b'sub')),
    'bytearray': listed(lambda: bytearray(), lambda: bytearray(b'abc'), lambda: bytearray(b'\xff' * 9)),
    'list': listed(lambda: [], lambda: [1], lambda: [3, 1, 2], lambda: ['b', 'a', None], lambda: [[1], (2,)],
                   lambda: [('k', 1), ('l', 2)], lambda: ListSub([1, 2]), lambda: list(range(12))),
    'tuple': listed(lambda: tuple([]), lambda: (1,) * 1, lambda: tuple([1, 'a']), lambda: tuple(['a', 'b', 'c']),
                    lambda: TupleSub((1, 2)), lambda: Point(1, 2), lambda: (int, str)),
    'dict': listed(lambda: {}, lambda: {'a': 1}, lambda: {'k': 1, 'l': [2]}, lambda: {1: 2, 3: 4}, lambda: DictSub(a=1),
                   lambda: {(1, 2): None}, lambda: {'attr': 1, 'name': 'n'}),
    'set': listed(lambda: set(), lambda: {1}, lambda: {1, 2, 3}, lambda: SetSub([4])),
    'frozenset': listed(lambda: frozenset(), lambda: frozenset([1, 2])),
    'range': listed(lambda: range(3), lambda: range(10, 0, -3)),
    'slice': listed(lambda: slice(None), lambda: slice(1, 2), lambda: slice(-1, None, -1), lambda: slice('a', 2),
                    lambda: slice(None, None, 0)),
    'function': listed(lambda: types.FunctionType(function.__code__, {'g': 1}, 'function', (2,)), free,
                       lambda: (lambda x: x)),
    'builtin': listed(lambda: len, lambda: [].append, lambda: dict.get, lambda: str.join, lambda: print),
    'method': listed(lambda: Plain().method, lambda: Described.c, lambda: types.MethodType(len, 'abc')),
    'type': listed(lambda: int, lambda: str, lambda: list, lambda: dict, lambda: object, lambda: type, lambda: Plain,
                   new_class, lambda: Meta, lambda: WithMeta, lambda: tuple, lambda: bool, lambda: type(None)),
    'exception': listed(lambda: ValueError('v'), lambda: MyError('m', 2), lambda: KeyError('k'), lambda: StopIteration(5),
                        lambda: caught(ValueError('c')), lambda: OSError(2, 'no', 'file'), lambda: SyntaxError('s'),
                        lambda: UnicodeDecodeError('utf-8', b'ab\xff', 2, 3, 'bad'),
                        lambda: UnicodeEncodeError('ascii', 'ab\xe9', 2, 3, 'bad'),
                        lambda: UnicodeTranslateError('ab\xe9', 2, 3, 'bad'), lambda: ExceptionGroup('g', [KeyError(1)])),
    'exctype': listed(lambda: ValueError, lambda: MyError, lambda: KeyError, lambda: Exception, lambda: BaseException,
                      lambda: OSError, lambda: ImportError, lambda: DeprecationWarning, lambda: UserWarning),
    'traceback': listed(lambda: caught(ValueError('t')).__traceback__),
    'iterator': listed(lambda: iter([1, 2]), lambda: iter('ab'), generator, Iterator, lambda: zip([1], [2]),
                       lambda: iter({}), lambda: iter(range(2)), lambda: map(str, [1]), lambda: iter(())),
    'memoryview': listed(lambda: memoryview(b'abcd'), lambda: memoryview(bytearray(b'abcd')),
                         lambda: memoryview(b'abcdefgh').cast('i'), lambda: memoryview(b'abcd')[::2]),
    'module': listed(lambda: types.ModuleType('fresh'), lambda: types.ModuleType('doc', 'text')),
    'code': listed(lambda: function.__code__, lambda: compile('1+1', '<c>', 'eval'), lambda: generator.__code__),
    'cell': listed(lambda: types.CellType(), lambda: types.CellType(5), lambda: free().__closure__[0]),
    'weakref': listed(lambda: weakref.ref(Plain), lambda: weakref.ref(Plain()), lambda: weakref.proxy(Plain),
                      lambda: weakref.ref(function)),
    'view': listed(lambda: {1: 2}.keys(), lambda: {1: 2}.items(), lambda: {1: 2}.values()),
    'proxy': listed(lambda: types.MappingProxyType({'a': 1}), lambda: types.SimpleNamespace(a=1),
                    lambda: collections.OrderedDict(a=1, b=2), lambda: collections.deque([1, 2])),
    'descriptor': listed(lambda: Described.__dict__['p'], lambda: staticmethod(len), lambda: classmethod(len),
                         lambda: int.__add__, lambda: list.append, lambda: type.__dict__['__dict__']),
    'generic': listed(lambda: list[int], lambda: int | str),
    'instance': listed(Plain, Plain, Slotted, Callable, Number, Raises, Liar, BadText, NegativeLength, Mapping, Sequence,
                       Described, object, WithMeta),
}
MAKERS = []
GROUPS = {}
for _name, _makers in BY_TYPE.items():
    GROUPS[_name] = (len(MAKERS), len(_makers))
    MAKERS.extend(_makers)

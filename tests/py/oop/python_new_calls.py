# A class whose __new__ is written in Python, called in every way; __new__ of built-in types.
import collections


class A:
    def __new__(cls, x, *args, y=1, **kw):
        self = object.__new__(cls)
        self.seen = (x, args, y, kw)
        return self


class B(A):
    def __init__(self, x, *args, **kw):
        self.init = (x, args, kw)


class Other:
    def __new__(cls, what):
        return what


for make in (lambda c: c(1), lambda c: c(1, 2, 3), lambda c: c(1, y=5), lambda c: c(x=1, z=2),
             lambda c: c(*range(20)), lambda c: c(1, **{"k": 2}), lambda c: c(),
             lambda c: c(1, x=2), lambda c: list(map(c, [7]))[0]):
    for c in (A, B):
        try:
            o = make(c)
            print(type(o).__name__, o.seen, getattr(o, "init", None))
        except TypeError as e:
            print(e)

print(Other(3), Other("x"), type(Other(A(1))).__name__)


class Meta(type):
    def __call__(cls, *args):
        return ("meta", super().__call__(*args))


class M(metaclass=Meta):
    def __new__(cls, *args):
        return args


print(M(1, 2))


class Late:
    pass


Late.__new__ = lambda cls, *args: ("late", cls.__name__, args)
print(Late(1, 2))
Late.__new__ = classmethod(lambda cls, *args: ("bound", cls.__name__, args))
print(Late(1))
del Late.__new__
try:
    Late(1)
except TypeError as e:
    print(e)


class T(tuple):
    def __new__(cls, *items):
        return tuple.__new__(cls, items)


print(T(1, 2), T(), type(T(3)).__name__, tuple.__new__(T, "ab"), tuple.__new__(T),
      tuple.__new__(tuple, [1]))
P = collections.namedtuple("P", "x y", defaults=[0])
print(P(1), P(y=2, x=1), P(1, 2)._replace(y=5), P._make("ab"))
for call in (lambda: P(), lambda: P(1, 2, 3), lambda: P(1, z=2), lambda: P(1, x=2),
             lambda: tuple.__new__(), lambda: tuple.__new__(3), lambda: tuple.__new__(int),
             lambda: tuple.__new__(T, 3), lambda: tuple.__new__(T, (), ()),
             lambda: object.__new__(T), lambda: int.__new__(bool, 1),
             lambda: tuple.__new__(tuple, iterable=()), lambda: type(None).__new__(type(None), 1)):
    try:
        print(call())
    except TypeError as e:
        print(e)


class Deep:
    def __new__(cls):
        return cls()


try:
    Deep()
except RecursionError as e:
    print("RecursionError")

# -> A (1, (), 1, {}) None
# -> B (1, (), 1, {}) (1, (), {})
# -> A (1, (2, 3), 1, {}) None
# -> B (1, (2, 3), 1, {}) (1, (2, 3), {})
# -> A (1, (), 5, {}) None
# -> B (1, (), 5, {}) (1, (), {'y': 5})
# -> A (1, (), 1, {'z': 2}) None
# -> B (1, (), 1, {'z': 2}) (1, (), {'z': 2})
# -> A (0, (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19), 1, {}) None
# -> B (0, (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19), 1, {}) (0, (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19), {})
# -> A (1, (), 1, {'k': 2}) None
# -> B (1, (), 1, {'k': 2}) (1, (), {'k': 2})
# -> A.__new__() missing 1 required positional argument: 'x'
# -> A.__new__() missing 1 required positional argument: 'x'
# -> A.__new__() got multiple values for argument 'x'
# -> A.__new__() got multiple values for argument 'x'
# -> A (7, (), 1, {}) None
# -> B (7, (), 1, {}) (7, (), {})
# -> 3 x A
# -> ('meta', (1, 2))
# -> ('late', 'Late', (1, 2))
# -> ('bound', 'Late', (<class '__main__.Late'>, 1))
# -> object.__new__() takes exactly one argument (the type to instantiate)
# -> (1, 2) () T ('a', 'b') () (1,)
# -> P(x=1, y=0) P(x=1, y=2) P(x=1, y=5) P(x='a', y='b')
# -> P.__new__() missing 1 required positional argument: 'x'
# -> P.__new__() takes from 2 to 3 positional arguments but 4 were given
# -> P.__new__() got an unexpected keyword argument 'z'
# -> P.__new__() got multiple values for argument 'x'
# -> tuple.__new__(): not enough arguments
# -> tuple.__new__(X): X is not a type object (int)
# -> tuple.__new__(int): int is not a subtype of tuple
# -> 'int' object is not iterable
# -> tuple expected at most 1 argument, got 2
# -> object.__new__(T) is not safe, use tuple.__new__()
# -> int.__new__(bool) is not safe, use bool.__new__()
# -> tuple() takes no keyword arguments
# -> NoneType takes no arguments
# -> RecursionError

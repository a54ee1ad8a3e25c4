class Meta(type):
    def __new__(m, name, bases, ns, **kw):
        c = super().__new__(m, name, bases, ns)
        c.kw = kw
        return c
    def __call__(cls, *a):
        print('make', cls.__name__)
        return super().__call__(*a)
class Base(metaclass=Meta, opt=1):
    def __init_subclass__(cls, **k): print('sub', cls.__name__, k)
    def hi(self): return 'base'
class D:
    def __set_name__(self, owner, name): print('name', owner.__name__, name)
    def __get__(self, obj, cls): return 'got' if obj else self
    def __set__(self, obj, v): print('set', v)
class A(Base):
    d = D()
    def hi(self): return 'a' + super().hi()
class B(Base):
    def hi(self): return 'b' + super().hi()
class C(A, B):
    __slots__ = ()
    def hi(self): return 'c' + super().hi()
c = C()
print(c.hi(), [k.__name__ for k in C.__mro__], c.d, Base.kw)
c.d = 5
class S:
    __slots__ = ('x', 'y')
s = S()
s.x = 1
try:
    s.z = 2
except AttributeError as e:
    print(e)
class V:
    def __init__(self, *v): self.v = v
    def __add__(self, o): return V(*(a + b for a, b in zip(self.v, o.v)))
    def __eq__(self, o): return self.v == o.v
    def __getitem__(self, i): return self.v[i]
    def __len__(self): return len(self.v)
    def __repr__(self): return f'V{self.v}'
    def __call__(self, k): return V(*(a * k for a in self.v))
    def __contains__(self, x): return x in self.v
    @property
    def total(self): return sum(self.v)
    @classmethod
    def zero(cls): return cls(0, 0)
    @staticmethod
    def info(): return 'static'
    def __getattr__(self, n): return n.upper()
v = V(1, 2)
print(v + v, v == V(1, 2), v[0], len(v), v(3), 2 in v, v.total, V.zero(), V.info(), v.other, list(v), hasattr(v, '__dict__'))
try:
    class X(A, Base, B): pass
except TypeError as e:
    print(str(e).splitlines()[0])

# -> name A d
# -> sub A {}
# -> sub B {}
# -> sub C {}
# -> make C
# -> cabbase ['C', 'A', 'B', 'Base', 'object'] got {'opt': 1}
# -> set 5
# -> 'S' object has no attribute 'z' and no __dict__ for setting new attributes
# -> V(2, 4) True 1 2 V(3, 6) True 3 V(0, 0) static OTHER [1, 2] True
# -> Cannot create a consistent method resolution order (MRO) for bases Base, B

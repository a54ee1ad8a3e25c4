import importlib.util
import os
import sys
import tempfile
import types
with tempfile.TemporaryDirectory() as d:
    os.makedirs(os.path.join(d, 'pkg', 'sub'))
    open(os.path.join(d, 'pkg', '__init__.py'), 'w').write('from .a import value\n__all__ = ["a"]\n')
    open(os.path.join(d, 'pkg', 'a.py'), 'w').write('value = 41 + 1\ndef __getattr__(n): return n * 2\n')
    open(os.path.join(d, 'pkg', 'sub', 'b.py'), 'w').write('from ..a import value as v\nfrom .. import a\n')
    open(os.path.join(d, 'broken.py'), 'w').write('x = (1,\n')
    sys.path.insert(0, d)
    import pkg
    import pkg.sub.b as b
    print(pkg.value, b.v, pkg.a.zz, b.__package__, pkg.__path__[0].endswith('pkg'))
    from pkg import *
    print(a.__name__, isinstance(a, types.ModuleType), importlib.reload(pkg.a) is pkg.a)
    for name in ('nosuch', 'pkg.nosuch'):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as e:
            print(e)
    try:
        from pkg.a import __nosuch__
        print(__nosuch__)
        import broken
    except SyntaxError as e:
        print(e.msg, e.lineno)
    cached = importlib.util.cache_from_source(os.path.join(d, 'pkg', 'a.py'))
    print(os.path.exists(cached) is not sys.dont_write_bytecode)

# -> 42 42 zzzz pkg.sub True
# -> pkg.a True True
# -> No module named 'nosuch'
# -> No module named 'pkg.nosuch'
# -> __nosuch____nosuch__
# -> '(' was never closed 1
# -> True

"""calls.py - a kind of tests/fuzz/worker.py: native callables under odd arguments.

Each input is a short run of calls of methods, functions and classes of the modules that keep to memory, with values
whose special methods answer oddly, raise, or change the very containers that are being worked on. What calls give joins
the values. Only exceptions may come out. replay: worker.py calls SEED COUNT LAST with SEED and COUNT of the failed batch.
"""
import gc
import random
import weakref

MODULES = (
    'builtins _collections itertools _functools _operator _struct array _json _csv _pickle _datetime _decimal math cmath _heapq _bisect '
    '_random binascii zlib _bz2 _lzma _zstd _io _sre unicodedata _elementtree pyexpat _contextvars _asyncio _weakref types marshal _abc '
    '_typing _string _hashlib _hmac _md5 _sha1 _sha2 _sha3 _blake2 _zoneinfo _queue _sqlite3 _symtable _tokenize _statistics _codecs '
    '_multibytecodec _suggestions copy _warnings _thread _ast _ssl mmap select _contextvars collections').split()
# What ends the process, waits, talks, keeps a processor busy for minutes, or changes the process for good.
FORBIDDEN = set(
    'repeat cycle count iter exit quit input breakpoint help open open_code FileIO exec eval __import__ print pow __pow__ __rpow__ __ipow__ factorial comb perm '
    '__lshift__ __rlshift__ __ilshift__ ldexp power scaleb shift rotate pbkdf2_hmac scrypt interrupt_main start_new_thread '
    'start_new start_joinable_thread allocate_lock acquire acquire_lock __enter__ _shutdown daemon_threads_allowed stack_size lock '
    'LockType RLock get put connect load_extension backup set_trace run_until_complete _make_thread_handle _ThreadHandle exit_thread '
    'register_error register unregister _unregister_error lookup_error set_debug license credits copyright getpreferredencoding '
    'filters_mutated_lock_held _acquire_lock _release_lock excepthook _excepthook __build_class__ enable_callback_tracebacks '
    'enable_shared_cache set_default_verify_paths RAND_add setcontext __setstate_cython__ getcontext Thread compile '
    '_get_main_thread_ident _is_main_interpreter set_name _enter_task _leave_task _swap_current_task _set_running_loop '
    '_register_task _unregister_task _register_eager_task _unregister_eager_task'.split())
KEYWORDS = ('key', 'default', 'maxlen', 'loop', 'name', 'errors', 'encoding', 'func', 'strict', 'initial')


class Odd:
    """Special methods that do as they like."""


class OddInt(int):
    pass


class OddStr(str):
    pass


class OddList(list):
    pass


class OddDict(dict):
    pass


class OddTuple(tuple):
    pass


class OddBytes(bytes):
    pass


class OddError(Exception):
    pass


state = None


class State:
    def __init__(self, rng):
        self.rng = rng
        self.values = []
        self.depth = 0
        self.left = 400

    def pick(self):
        rng = self.rng
        if self.values and rng.random() < 0.5:
            return rng.choice(self.values)
        return self.fresh()

    def fresh(self):
        rng = self.rng
        kind = rng.randrange(24)
        if kind < 5:
            return rng.choice((0, 1, -1, 2, 3, 7, 100, True, None, ..., NotImplemented, 1.5, float('nan'), float('inf'), 2j, 255, 256, -100000, 70000,
                               (1 << 31) - 1, 1 << 31, (1 << 63) - 1, 1 << 63, -(1 << 63), 1 << 70))
        if kind < 8:
            return rng.choice(('', 'a', 'abc', 'é', '😀x', '\ud800', '\0', 'utf-8', 'x' * 300, 'strict', '%s', '{0}', 'rb', '<i', 'iter', '__class__', '__dict__'))
        if kind < 10:
            return rng.choice((b'', b'a', b'\xff\0' * 9, bytearray(b'abc'), bytearray(), memoryview(b'abcdef')[::2], memoryview(bytearray(8)),
                               memoryview(bytearray(12)).cast('i'), OddBytes(b'qq')))
        if kind < 12:
            return rng.choice(([], [1, 2, 3], (), (1,), ('a', 1), {}, {'a': 1}, {1: 2, 3: 4}, set(), {1, 2, 3}, frozenset('ab'), range(5), slice(1, None, 2),
                               [[]], [None] * 40, [Odd(), Odd()], (Odd(),), {'k': Odd()}))
        if kind < 14:
            return rng.choice((iter([1, 2, 3]), (i for i in (1, 2, Odd())), zip('ab', 'cd'), map(odd, 'ab'), enumerate('ab'), reversed([1, 2])))
        if kind < 16:
            return rng.choice((int, str, list, dict, type, object, Odd, OddInt, OddDict, OddList, ValueError, tuple, bytes, set, StopIteration))
        if kind < 18:
            return rng.choice((odd, len, print_nothing, lambda *a: a and a[0], lambda a=None, *b, **c: odd(), ValueError('x'), OddError(1, 2), gc.collect))
        if kind == 18:
            return weakref.ref(rng.choice(self.odds())) if self.values else weakref.ref(Odd)
        return rng.choice((Odd, OddInt, OddStr, OddList, OddDict, OddTuple, OddBytes))()

    def odds(self):
        return [v for v in self.values if isinstance(v, Odd)] or [Odd]

    def keep(self, value):
        if len(self.values) < 25:
            self.values.append(value)
        else:
            self.values[self.rng.randrange(25)] = value

    def disturb(self):
        """Changes something that a caller may be in the middle of."""
        rng = self.rng
        v = rng.choice(self.values) if self.values else None
        how = rng.randrange(8)
        if how == 0:
            self.values.clear()
        elif how == 1:
            gc.collect()
        elif isinstance(v, (list, bytearray)):
            if how < 4:
                v.clear()
            elif how < 6:
                v.extend(v[:20] if rng.random() < 0.5 else [1, 2, 3])
            else:
                del v[:1]
        elif isinstance(v, (dict, set)):
            if how < 5:
                v.clear()
            elif isinstance(v, dict):
                v[len(v)] = odd
            else:
                v.add(len(v))
        elif hasattr(v, 'clear') and how < 5:
            v.clear()
        elif hasattr(v, 'close') and how < 6:
            v.close()
        elif hasattr(v, 'release') and how < 7:
            v.release()
        elif isinstance(v, Odd):
            v.__class__ = rng.choice((Odd, OddOther))
            v.__dict__ = {}
        else:
            next(v, None)


class OddOther(Odd):
    pass


def print_nothing(*args, **kwargs):
    pass


def odd(*args, **kwargs):
    s = state
    if s is None or s.left <= 0 or s.depth > 3:
        return None
    s.left -= 1
    s.depth += 1
    try:
        if s.rng.random() < 0.35:
            try:
                s.disturb()
            except Exception:
                pass
        if s.rng.random() < 0.15:
            raise s.rng.choice((ValueError, TypeError, StopIteration, KeyError, IndexError, AttributeError, OddError, MemoryError))('odd')
        return s.pick()
    finally:
        s.depth -= 1


def method(name, fits):
    def f(self, *args, **kwargs):
        value = odd(self, *args)
        if fits and (state is None or state.rng.random() < 0.95):
            return fits()
        return value
    f.__name__ = name
    return f


def chance(*values):
    return lambda: state.rng.choice(values) if state else values[0]


FIT = {
    '__hash__': chance(0, 1, -1, 1 << 60), '__eq__': chance(True, False, NotImplemented), '__lt__': chance(True, False, NotImplemented),
    '__bool__': chance(True, False), '__len__': chance(0, 1, 3, 1 << 40), '__index__': chance(0, 1, -1, 2, 100, 1 << 40),
    '__int__': chance(0, 5, -1), '__float__': chance(0.0, 1.5), '__complex__': chance(1j), '__str__': chance('', 'é', 'odd'),
    '__repr__': chance('odd', 'é'), '__bytes__': chance(b'', b'odd'), '__format__': chance('', 'x'), '__length_hint__': chance(0, 3, 1 << 30),
    '__iter__': lambda: iter([1, Odd()]), '__fspath__': chance('/nonexistent/x'), '__contains__': chance(True, False),
    '__reduce_ex__': lambda: state.rng.choice(((Odd, ()), 'odd', (list, (), None, iter([1]), None), (Odd, (), {'a': 1}))) if state else 'x',
    '__buffer__': lambda: memoryview(bytearray(4)), '__instancecheck__': chance(True, False),
}
PLAIN = ('__getitem__ __setitem__ __delitem__ __call__ __next__ __add__ __radd__ __iadd__ __mul__ __rmul__ __sub__ __and__ __or__ __xor__ __mod__ '
         '__divmod__ __truediv__ __floordiv__ __neg__ __invert__ __abs__ __enter__ __exit__ __get__ __set__ __set_name__ __missing__ __copy__ '
         '__deepcopy__ __reversed__ __round__ __gt__ __le__ __ge__ __ne__ __await__ __anext__ __aiter__ read write readline readinto seek tell '
         'flush keys items send throw utcoffset dst tzname fromutc get_loop call_soon step finalize decode encode start end data').split()
for name in [*FIT, *PLAIN]:
    setattr(Odd, name, method(name, FIT.get(name)))
Odd.__del__ = method('__del__', None)
Odd.__release_buffer__ = lambda self, view: odd() and None
for cls, names in ((OddInt, ('__index__', '__eq__', '__hash__', '__repr__')), (OddStr, ('__eq__', '__hash__', '__str__', '__len__')),
                   (OddList, ('__iter__', '__len__', '__getitem__')), (OddDict, ('__getitem__', 'keys', 'items', '__missing__', '__len__')),
                   (OddTuple, ('__iter__', '__len__', '__eq__')), (OddBytes, ('__bytes__', '__len__'))):
    for name in names:
        setattr(cls, name, method(name, FIT.get(name)))


def load():
    """Module -> [(name, callable)]."""
    found = {}
    for name in MODULES:
        try:
            m = __import__(name)
        except ImportError:
            continue
        found[name] = [(f'{name}.{k}', v) for k, v in sorted(vars(m).items())
                       if callable(v) and k[:2] != '__' and k not in FORBIDDEN and not (isinstance(v, type) and issubclass(v, BaseException))]
    return [v for v in found.values() if v]


def run_calls(rng, remember, known=[]):
    global state
    if not known:
        known.extend(load())
    state = s = State(random.Random(rng.randrange(1 << 62)))
    log = []
    try:
        # a few functions and classes, so that what they make meets
        modules = s.rng.choices(known, k=2)
        some = [s.rng.choice(m) for m in modules * 3]
        for _ in range(25):
            s.left = 60
            if s.values and s.rng.random() < 0.6:
                v = s.rng.choice(s.values)
                names = [n for n in dir(type(v)) if n not in FORBIDDEN]
                name = s.rng.choice(names)
                label = f'{type(v).__module__}.{type(v).__qualname__}.{name}'
                f = getattr(v, name)
            else:
                label, f = s.rng.choice(some)
            for count in s.rng.sample((0, 1, 1, 2, 2, 3, 4), 3):
                args = [s.pick() for _ in range(count)]
                names = {s.rng.choice(KEYWORDS): s.pick()} if s.rng.random() < 0.1 else {}
                log.append(f'{label} {[type(a).__name__ for a in args]}')
                remember('\n'.join(log).encode('utf-8', 'replace'))
                try:
                    s.keep(f(*args, **names) if callable(f) else f)
                    break
                except TypeError:
                    pass  # perhaps the number of arguments
                except Exception:
                    break
        s.left = 60
    finally:
        s.values.clear()
        s = None
        gc.collect() if rng.random() < 0.05 else None
        state = None

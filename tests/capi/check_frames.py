"""check_frames.py DIR: uses frames.c; what it prints is frames.txt under the reference."""
import sys
import threading
import traceback

sys.path.insert(0, sys.argv[1])
import frames


def show(f, *args):
    try:
        print('value', f(*args))
    except BaseException as e:
        for s in traceback.extract_tb(e.__traceback__):
            print('   ', s.name, s.filename.rpartition('/')[2], s.lineno)
        print(type(e).__name__, e, '| context', repr(e.__context__))


# made-up frames, with and without source
show(frames.fail, 'none.pyx', [('outer', 10), ('inner', 20)], {})
show(frames.fail, __file__, [('known', 5)], globals())
try:
    frames.fail('none.pyx', [('outer', 10)], {'__name__': 'made.up'})
except ValueError as e:
    tb = e.__traceback__.tb_next
    f = tb.tb_frame
    print(f.f_code.co_name, f.f_lineno, tb.tb_lineno, f.f_globals['__name__'], f.f_locals, f.f_back, f.f_lasti >= -1)
    f.clear()
    print(repr(f).partition(',')[2].rpartition('/')[2])
    print(''.join(traceback.format_exception(e)).count('none.pyx'))


def deep(n):
    if n:
        return frames.call(deep, n - 1)
    raise LookupError('bottom')


show(deep, 2)
show(lambda: [frames.call(deep, i) for i in range(2)])
show(lambda: list(frames.call(x) for x in (int, deep)))


# generators driven from C, with exceptions in flight
def gen():
    got = []
    try:
        while len(got) < 2:
            got.append((yield len(got)))
    except ValueError as e:
        got.append(str(e))
    return got


show(frames.drive, gen(), [None, 'a', 'b'])


def gen_fails():
    try:
        1 / 0
    except ZeroDivisionError:
        yield sys.exception().__class__.__name__
        raise KeyError('gen')


show(frames.drive, gen_fails(), [None, None])
show(frames.drive, gen_fails(), [None, 5])


def in_handler():
    try:
        raise OSError('outer')
    except OSError:
        return frames.handling(lambda: repr(sys.exception())), repr(sys.exception())


show(in_handler)
show(frames.handling, lambda: 1 / 0)


def outer():
    local = 1
    return [frames.caller(0), frames.caller(1), (lambda: frames.caller(1))(),
            *[frames.caller(0) for x in (1,)]]


for name, line, names in outer():
    print(name, line - outer.__code__.co_firstlineno, sorted(names)[:3])
print(frames.caller(50))


# profiling and tracing functions in C
def work(n):
    total = 0
    for i in range(n):
        total += len(str(i))
    try:
        int('x')
    except ValueError:
        pass
    return max([total, *(j for j in (1, 2))])


def watched(kind, f, *args):
    log = []
    frames.watch(kind, log)
    try:
        f(*args)
    except Exception as e:
        log.append(('raised', type(e).__name__, 0, str(e)))
    finally:
        frames.watch(None)
    first = f.__code__.co_firstlineno
    for event, name, line, arg in log:
        print('   ', event, name, line - first if name in (f.__name__, '<genexpr>') else '-',
              arg if isinstance(arg, (str, int)) or arg is None else getattr(arg, '__name__', type(arg).__name__))


for kind in ('profile', 'trace', 'refuse', 'profile all'):
    print(kind)
    watched(kind, work, 2)
print('generator')
watched('trace', lambda: list(gen()))
watched('profile', lambda: frames.drive(gen(), [None, 1, 2]))

# another thread is profiled only when all are
log = []
go, done = threading.Event(), threading.Event()


def other():
    go.wait()
    work(1)
    done.set()


t = threading.Thread(target=other)
t.start()
frames.watch('profile all', log)
go.set()
done.wait()
frames.watch(None)
t.join()
print(any(name == 'work' for _, name, _, _ in log), sys.getprofile(), sys.gettrace())

# sys.unraisablehook: what its audit event carries, and what is shown when a hook fails.
import contextlib
import ctypes
import io
import sys

fails = False
events = []


def audit(event, args):
    if event == 'sys.unraisablehook':
        events.append((args[0], type(args[1]).__name__, args[1].exc_value))
        if fails:
            raise KeyError('audit')
    elif event == 'ctypes.call_function':
        events.append(args[1])


def shown():
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        A()
    lines = [line for line in err.getvalue().splitlines() if not line.startswith(' ')]
    return [line.partition(' <function')[0] for line in lines]


class A:
    def __del__(self):
        1 / 0


absolute = ctypes.CDLL(None).abs
absolute.argtypes = [ctypes.c_int]
sys.addaudithook(audit)

sys.unraisablehook = lambda unraisable: print('hook', unraisable.exc_value)
print(shown(), events.pop()[1:])
fails = True
print(shown())
fails = False
sys.unraisablehook = lambda unraisable: [][0]
print(shown())
sys.unraisablehook = None
print(shown(), events.pop())
del sys.unraisablehook
events.clear()
print(shown(), events)
sys.unraisablehook = sys.__unraisablehook__

# a foreign function: the arguments as the caller gave them
print(absolute(-3), events.pop())
try:
    absolute('x')
except ctypes.ArgumentError:
    print(events.pop())

# -> hook division by zero
# -> [] ('UnraisableHookArgs', ZeroDivisionError('division by zero'))
# -> ['Exception ignored in audit hook:', 'Traceback (most recent call last):', "KeyError: 'audit'"]
# -> ['Exception ignored in sys.unraisablehook:', 'Traceback (most recent call last):', 'IndexError: list index out of range']
# -> ['Exception ignored while calling deallocator', 'Traceback (most recent call last):', 'ZeroDivisionError: division by zero'] (None, 'UnraisableHookArgs', ZeroDivisionError('division by zero'))
# -> ['Exception ignored while calling deallocator', 'Traceback (most recent call last):', 'ZeroDivisionError: division by zero'] []
# -> 3 (-3,)
# -> ('x',)

def f():
    try:
        return 'try'
    finally:
        print('finally runs')
print(f())
try:
    try:
        raise KeyError('a')
    except KeyError as e:
        raise RuntimeError('b') from e
except RuntimeError as e:
    print(repr(e), repr(e.__cause__), repr(e.__context__), e.__suppress_context__)
class E(Exception):
    def __str__(self): return 'custom'
try:
    raise E(1, 2)
except E as e:
    print(e, e.args, repr(e))
    e.add_note('note')
    print(e.__notes__)
try:
    raise ExceptionGroup('g', [ValueError(1), TypeError(2), ExceptionGroup('h', [ValueError(3)])])
except* ValueError as eg:
    print(eg.exceptions)
except* TypeError as eg:
    print(eg)
import traceback
def deep(n):
    if n: deep(n - 1)
    else: 1 / 0
try:
    deep(2)
except ZeroDivisionError:
    print(traceback.format_exc().splitlines()[-1], len(traceback.format_exc().splitlines()) > 5)
class CM:
    def __enter__(self): return self
    def __exit__(self, t, v, tb):
        print('exit', t and t.__name__)
        return t is ValueError
with CM(): raise ValueError
with CM() as a, CM() as b: pass
for i in range(3):
    try:
        if i == 1: continue
        if i == 2: break
    finally:
        print('loop', i)
else:
    print('never')
try:
    assert 1 == 2, 'message'
except AssertionError as e:
    print(e)

# -> finally runs
# -> try
# -> RuntimeError('b') KeyError('a') KeyError('a') True
# -> custom (1, 2) E(1, 2)
# -> ['note']
# -> (ValueError(1), ExceptionGroup('h', [ValueError(3)]))
# -> g (1 sub-exception)
# -> ZeroDivisionError: division by zero True
# -> exit ValueError
# -> exit None
# -> exit None
# -> loop 0
# -> loop 1
# -> loop 2
# -> message

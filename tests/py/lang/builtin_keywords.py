"""Messages for keyword arguments that built-in functions do not take."""
import functools
import io
import itertools


class BadStr(str):
    """Equal to everything, with another hash: found by no look-up."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return str.__hash__(self) ^ 3


def call(f, *args, kw=None):
    try:
        print(f(*args, **(kw or {})))
    except Exception as e:
        print(type(e).__name__, e)


for f in min, max:
    call(f, 0, kw=dict(foo=1))
    call(f, 0, kw=dict(default=1, foo=2))
    call(f, 0, kw=dict(keyy=1))
    call(f, 1, 2, kw=dict(default=3, key=None, x=1))
    call(f, kw=dict(key=1, foo=3))
    call(f, 1, kw={BadStr('foo'): 1})
    call(f, kw=dict(default=3))
call(print, 1, kw=dict(sepp=1))
call(print, 1, kw={BadStr('foo'): ','})
call(print, kw=dict(sep=1, end=1, file=2, flush=3, foo=1))
call(print, 1, kw=dict(sep=1))
call(round, 1.75, kw={BadStr('foo'): 1})
call(round, 1.75, kw=dict(numberr=3, foo=4))
call(round, 1, kw=dict(number=1))
call(round, 1, 2, kw=dict(number=1))
call(functools.reduce, 1, 2, kw=dict(initial=3, foo=2))
call(functools.reduce, print, [1], kw=dict(initiall=2))
call(itertools.zip_longest, [1], kw=dict(fillvalue=3, foo=2))

# what concrete streams have to provide checks its arguments first
b, t, i = io.BufferedIOBase(), io.TextIOBase(), io.IOBase()
for f in b.read, b.read1, b.write, t.read, t.readline, t.write, i.seek, i.truncate:
    for args in (), ('x',), (None,), (10**30,), (1, 2), (1, 2, 3):
        call(f, *args)
    call(f, 1, kw=dict(x=1))
for f in b.detach, t.detach, i.fileno:
    call(f)
    call(f, 1)
    call(f, kw=dict(x=1))
call(io.TextIOBase.read.__get__, io.StringIO(), 'no type')

# -> TypeError min() got an unexpected keyword argument 'foo'
# -> TypeError min() got an unexpected keyword argument 'foo'
# -> TypeError min() got an unexpected keyword argument 'keyy'. Did you mean 'key'?
# -> TypeError min() takes at most 2 keyword arguments (3 given)
# -> TypeError min expected at least 1 argument, got 0
# -> TypeError invalid keyword argument for min()
# -> TypeError min expected at least 1 argument, got 0
# -> TypeError max() got an unexpected keyword argument 'foo'
# -> TypeError max() got an unexpected keyword argument 'foo'
# -> TypeError max() got an unexpected keyword argument 'keyy'. Did you mean 'key'?
# -> TypeError max() takes at most 2 keyword arguments (3 given)
# -> TypeError max expected at least 1 argument, got 0
# -> TypeError invalid keyword argument for max()
# -> TypeError max expected at least 1 argument, got 0
# -> TypeError print() got an unexpected keyword argument 'sepp'. Did you mean 'sep'?
# -> TypeError invalid keyword argument for print()
# -> TypeError print() got an unexpected keyword argument 'foo'
# -> TypeError sep must be None or a string, not int
# -> TypeError invalid keyword argument for round()
# -> TypeError round() takes at most 2 arguments (3 given)
# -> TypeError argument for round() given by name ('number') and position (1)
# -> TypeError round() takes at most 2 arguments (3 given)
# -> TypeError reduce() takes at most 3 arguments (4 given)
# -> TypeError reduce() got an unexpected keyword argument 'initiall'. Did you mean 'initial'?
# -> TypeError zip_longest() got an unexpected keyword argument
# -> UnsupportedOperation read
# -> TypeError 'str' object cannot be interpreted as an integer
# -> TypeError 'NoneType' object cannot be interpreted as an integer
# -> OverflowError Python int too large to convert to C int
# -> TypeError read() takes at most 1 argument (2 given)
# -> TypeError read() takes at most 1 argument (3 given)
# -> TypeError read() takes at most 1 argument (2 given)
# -> UnsupportedOperation read1
# -> TypeError 'str' object cannot be interpreted as an integer
# -> TypeError 'NoneType' object cannot be interpreted as an integer
# -> OverflowError Python int too large to convert to C int
# -> TypeError read1() takes at most 1 argument (2 given)
# -> TypeError read1() takes at most 1 argument (3 given)
# -> TypeError read1() takes at most 1 argument (2 given)
# -> TypeError write() takes exactly 1 positional argument (0 given)
# -> UnsupportedOperation write
# -> UnsupportedOperation write
# -> UnsupportedOperation write
# -> TypeError write() takes at most 1 argument (2 given)
# -> TypeError write() takes at most 1 argument (3 given)
# -> TypeError write() takes at most 1 argument (2 given)
# -> UnsupportedOperation read
# -> TypeError 'str' object cannot be interpreted as an integer
# -> TypeError 'NoneType' object cannot be interpreted as an integer
# -> OverflowError Python int too large to convert to C int
# -> TypeError read() takes at most 1 argument (2 given)
# -> TypeError read() takes at most 1 argument (3 given)
# -> TypeError read() takes at most 1 argument (2 given)
# -> UnsupportedOperation readline
# -> TypeError 'str' object cannot be interpreted as an integer
# -> TypeError 'NoneType' object cannot be interpreted as an integer
# -> OverflowError Python int too large to convert to C int
# -> TypeError readline() takes at most 1 argument (2 given)
# -> TypeError readline() takes at most 1 argument (3 given)
# -> TypeError readline() takes at most 1 argument (2 given)
# -> TypeError write() takes exactly 1 positional argument (0 given)
# -> UnsupportedOperation write
# -> TypeError write() argument 1 must be str, not None
# -> TypeError write() argument 1 must be str, not int
# -> TypeError write() takes at most 1 argument (2 given)
# -> TypeError write() takes at most 1 argument (3 given)
# -> TypeError write() takes at most 1 argument (2 given)
# -> TypeError seek() takes at least 1 positional argument (0 given)
# -> TypeError 'str' object cannot be interpreted as an integer
# -> TypeError 'NoneType' object cannot be interpreted as an integer
# -> OverflowError Python int too large to convert to C int
# -> UnsupportedOperation seek
# -> TypeError seek() takes at most 2 arguments (3 given)
# -> TypeError seek() got an unexpected keyword argument 'x'
# -> UnsupportedOperation truncate
# -> UnsupportedOperation truncate
# -> UnsupportedOperation truncate
# -> UnsupportedOperation truncate
# -> TypeError truncate() takes at most 1 argument (2 given)
# -> TypeError truncate() takes at most 1 argument (3 given)
# -> TypeError truncate() takes at most 1 argument (2 given)
# -> UnsupportedOperation detach
# -> TypeError detach() takes no arguments
# -> TypeError detach() takes no arguments
# -> UnsupportedOperation detach
# -> TypeError detach() takes no arguments
# -> TypeError detach() takes no arguments
# -> UnsupportedOperation fileno
# -> TypeError fileno() takes no arguments
# -> TypeError fileno() takes no arguments
# -> TypeError descriptor 'read' needs a type, not 'str', as arg 2

def g():
    try:
        x = yield 1
        print('got', x)
        yield from (i * 2 for i in range(3))
        return 'done'
    except ValueError as e:
        print('caught', e)
        yield 'after'
    finally:
        print('finally')
it = g()
print(next(it), it.send('hi'), next(it), next(it))
try:
    next(it)
except StopIteration as e:
    print('stop', e.value)
it = g()
next(it)
print(it.throw(ValueError('v')))
it.close()
def outer():
    r = yield from g()
    print('result', r)
print(list(outer()))
import inspect
it = g()
print(inspect.getgeneratorstate(it), it.gi_running)
class It:
    def __init__(self): self.n = 0
    def __iter__(self): return self
    def __next__(self):
        self.n += 1
        if self.n > 3: raise StopIteration
        return self.n
print(list(It()), sum(It()), max(It()), list(iter(lambda c=iter('abc'): next(c), 'c')))

# -> got hi
# -> 1 0 2 4
# -> finally
# -> stop done
# -> caught v
# -> after
# -> finally
# -> got None
# -> finally
# -> result done
# -> [1, 0, 2, 4]
# -> GEN_CREATED False
# -> [1, 2, 3] 6 3 ['a', 'b']

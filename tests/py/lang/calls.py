# Every kind of parameter, and the wording of calls that do not fit.
def f(a, /, b, c=3, *args, d, e=5, **kw):
    return a, b, c, args, d, e, kw
print(f(1, 2, d=4), f(1, 2, 3, 4, 5, d=6, x=7), f(1, b=2, d=4, a=9))
for call in (lambda: f(), lambda: f(1), lambda: f(1, 2), lambda: f(1, 2, 3, d=4, b=5),
             lambda: (lambda x: x)(1, 2), lambda: (lambda x: x)(y=1), lambda: len(1, 2), lambda: [].append()):
    try:
        print(call())
    except TypeError as e:
        print(e)
def g(*, x=1, **k): return x, k
print(g(**{'x': 2, 'y': 3}), (lambda *a: a)(*[1, 2], *(3,)))

# -> (1, 2, 3, (), 4, 5, {}) (1, 2, 3, (4, 5), 6, 5, {'x': 7}) (1, 2, 3, (), 4, 5, {'a': 9})
# -> f() missing 2 required positional arguments: 'a' and 'b'
# -> f() missing 1 required positional argument: 'b'
# -> f() missing 1 required keyword-only argument: 'd'
# -> f() got multiple values for argument 'b'
# -> <lambda>.<locals>.<lambda>() takes 1 positional argument but 2 were given
# -> <lambda>.<locals>.<lambda>() got an unexpected keyword argument 'y'
# -> len() takes exactly one argument (2 given)
# -> list.append() takes exactly one argument (0 given)
# -> (2, {'y': 3}) (1, 2, 3)

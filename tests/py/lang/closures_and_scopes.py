def counter():
    n = 0
    def step(by=1):
        nonlocal n
        n += by
        return n
    return step
c = counter()
print(c(), c(5), c())
x = 'module'
class A:
    x = 'class'
    def get(self): return x
    ys = [x for _ in range(2)]
print(A().get(), A.ys, [(lambda: i)() for i in range(3)], [f() for f in [lambda: i for i in range(3)]])
def unbound():
    try:
        print(v)
    except UnboundLocalError as e:
        print(e)
    v = 1
unbound()
try:
    undefined_name
except NameError as e:
    print(e)
del x
print('x' in globals(), (y := 5) + y)

# -> 1 6 7
# -> module ['module', 'module'] [0, 1, 2] [2, 2, 2]
# -> cannot access local variable 'v' where it is not associated with a value
# -> name 'undefined_name' is not defined
# -> False 10

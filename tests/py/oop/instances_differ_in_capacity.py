# An attribute site that has learned from a later instance meets an earlier, smaller one.
class A:
    pass
for _ in range(40):
    A() # the first instances get many spare places
early = [A() for _ in range(5)]
def fill(o):
    for i in range(12):
        setattr(o, 'a%d' % i, i)
for _ in range(40):
    fill(A())
late = A()
fill(late)
def get(o):
    try:
        return o.a11
    except AttributeError:
        return 'none'
def put(o, v):
    o.a11 = v
for _ in range(200):
    get(late)
    put(late, 1)
print([get(o) for o in early])
for o in early:
    put(o, 'x')
print([get(o) for o in early], [len(vars(o)) for o in early])

# -> ['none', 'none', 'none', 'none', 'none']
# -> ['x', 'x', 'x', 'x', 'x'] [1, 1, 1, 1, 1]

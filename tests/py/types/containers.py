d = {'a': 1, 'b': 2}
d |= {'c': 3}
print(d, list(d.items()), d.pop('a'), d.setdefault('z', 9), list(reversed(d)), {**d, 'b': 0}, dict.fromkeys('ab', 0))
l = [5, 3, 1]
l[1:1] = [9, 8]
del l[::2]
print(l, sorted([3, 1, 2], reverse=True), [1, 2] * 2, l.index(9), [1, [2, [3]]] == [1, [2, [3]]], (1, 2) < (1, 3))
print({1, 2} | {3}, {1, 2, 3} & {2, 3, 4}, {1, 2} ^ {2, 3}, frozenset([1]) in {frozenset([1])}, {1, 2} <= {1, 2, 3})
a, (b, *c), d = 1, (2, 3, 4), 5
print(a, b, c, d, list(zip('ab', range(5))), list(enumerate('xy', 1)), list(map(lambda x, y: x + y, [1, 2], [3, 4])))
print(range(10)[2:8:3], list(range(5, 0, -2)), len(range(0, 10 ** 18, 7)), 7 in range(0, 100, 7), slice(1, 2, 3).indices(10))
r = [1]
r.append(r)
print(r, hash((1, 2, 3)) == hash((1, 2, 3)), [x for x in range(20) if x % 3 == 0], {i: i * i for i in range(3)})
for f in (lambda: {}['k'], lambda: [][1], lambda: (1,)['a'], lambda: {[]: 1}, lambda: [1].remove(2), lambda: set().pop()):
    try:
        f()
    except Exception as e:
        print(type(e).__name__, e)

# -> {'b': 2, 'c': 3, 'z': 9} [('a', 1), ('b', 2), ('c', 3)] 1 9 ['z', 'c', 'b'] {'b': 0, 'c': 3, 'z': 9} {'a': 0, 'b': 0}
# -> [9, 3] [3, 2, 1] [1, 2, 1, 2] 0 True True
# -> {1, 2, 3} {2, 3} {1, 3} True True
# -> 1 2 [3, 4] 5 [('a', 0), ('b', 1)] [(1, 'x'), (2, 'y')] [4, 6]
# -> range(2, 8, 3) [5, 3, 1] 142857142857142858 True (1, 2, 3)
# -> [1, [...]] True [0, 3, 6, 9, 12, 15, 18] {0: 0, 1: 1, 2: 4}
# -> KeyError 'k'
# -> IndexError list index out of range
# -> TypeError tuple indices must be integers or slices, not str
# -> TypeError cannot use 'list' as a dict key (unhashable type: 'list')
# -> ValueError list.remove(x): x not in list
# -> KeyError 'pop from an empty set'

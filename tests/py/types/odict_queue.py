# popitem(last=False) of an OrderedDict whose block of keys has been replaced, even by one
# at the same address
from collections import OrderedDict

for kind in str, int:
    bad = 0
    for rounds in range(1, 60):
        cache = OrderedDict()
        for key in range(4):
            cache[kind(key)] = key
        order = list(cache)
        for step in range(20):
            bad += cache.popitem(last=False)[0] != order.pop(0)
            for again in range(rounds):
                key = kind(again % 5)
                cache[key] = cache.pop(key, step)
                if key in order:
                    order.remove(key)
                order.append(key)
        bad += list(cache) != order
    print(kind.__name__, bad)
# -> str 0
# -> int 0

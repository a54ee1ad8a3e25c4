# The place of the first item is remembered per keys block: blocks come back at the same address.
from collections import OrderedDict
od, out = OrderedDict(), []
for turn in range(30):
    for i in range(turn % 7 + 1):
        od[f'{turn}-{i}'] = i
    while len(od) > 2:
        out.append(od.popitem(last=False)[1])
    if turn % 3 == 0:
        od.clear()
    elif turn % 3 == 1 and od:
        od.move_to_end(next(iter(od)))
print(len(out), sum(out), list(od.values()))

# -> 94 166 [0, 1]

"""How much memory containers, structures and instances take: what the reference takes."""
import os
import sys
import time


def steps(container, add, n=2000):
    """The sizes that a container goes through while it grows."""
    seen = []
    for i in range(n):
        add(container, i)
        size = sys.getsizeof(container)
        if not seen or seen[-1] != size:
            seen.append(size)
    return seen


print('dict of int', steps({}, lambda d, i: d.__setitem__(i, i)))
print('dict of str', steps({}, lambda d, i: d.__setitem__(str(i), i)))
print('set', steps(set(), set.add))
print('list', steps([], list.append))
print('bytearray', steps(bytearray(), lambda b, i: b.append(i & 255)))
print('updates', steps({}, lambda d, i: d.update({i: i, -i: i, i * 1.5: i}), 100))
d = {str(i): i for i in range(2000)}
for i in range(1900):
    del d[str(i)]
print('after deletions', steps(d, lambda d, i: d.__setitem__(str(i), i)))
print([sys.getsizeof(x) for x in (dict.fromkeys(range(100)), dict([(i, i) for i in range(77)]),
                                  dict({i: i for i in range(40)}))])

for x in time.localtime(), os.stat('/'), sys.version_info, sys.flags:
    print(type(x).__name__, type(x).__basicsize__, sys.getsizeof(x))


class Plain:
    pass


print([sys.getsizeof(Plain()) for _ in range(3)])

# -> dict of int [224, 352, 632, 1168, 2264, 4688, 9304, 18512, 36952, 73808]
# -> dict of str [184, 272, 464, 832, 1584, 3328, 6576, 13056, 26032, 51968]
# -> set [216, 728, 2264, 8408, 32984, 131288]
# -> list [88, 120, 184, 248, 312, 376, 472, 568, 664, 792, 920, 1080, 1240, 1432, 1656, 1912, 2200, 2520, 2872, 3256, 3704, 4216, 4792, 5432, 6136, 6936, 7832, 8856, 10008, 11288, 12728, 14360, 16184]
# -> bytearray [58, 61, 64, 68, 75, 83, 92, 102, 113, 126, 140, 156, 174, 194, 217, 243, 272, 305, 342, 383, 429, 481, 540, 606, 680, 764, 858, 964, 1083, 1217, 1368, 1538, 1729, 1944, 2186]
# -> updates [224, 352, 632, 1168, 2264, 4688, 9304]
# -> after deletions [51968]
# -> [4688, 2264, 1168]
# -> struct_time 48 136
# -> stat_result 104 200
# -> version_info 32 88
# -> flags 56 216
# -> [48, 48, 48]

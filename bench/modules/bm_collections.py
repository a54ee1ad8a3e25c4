# SPDX-License-Identifier: MIT
"""collections: deque, Counter, defaultdict, OrderedDict, namedtuple, ChainMap, UserDict."""
import collections
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple

import pyperf

N = 1000
WORDS = [f"w{i * 37 % 101}" for i in range(N)]
TEXT = "the quick brown fox jumps over the lazy dog" * 20
Point = namedtuple("Point", "x y z")
POINTS = [Point(i, i + 1, i + 2) for i in range(200)]
PAIRS = [(f"k{i}", i) for i in range(300)]
OD = OrderedDict(PAIRS)
CHAIN = ChainMap({"a": 1}, {"b": 2}, {"c": 3})
C1, C2 = Counter(WORDS), Counter(TEXT)
DQ = deque(range(N))


def deque_append_popleft():
    d = deque()
    for i in range(N):
        d.append(i)
    for i in range(N):
        d.popleft()


def deque_bounded():
    d = deque(maxlen=50)
    for i in range(N):
        d.append(i)


def deque_iterate():
    n = 0
    for x in DQ:
        n += x
    return n


def deque_rotate_index():
    for i in range(100):
        DQ.rotate(1)
        DQ[500], DQ[10]
    DQ.rotate(-100)


def deque_extend():
    d = deque(WORDS)
    d.extendleft(WORDS)
    return len(d), d.count("w1")


def counter_words():
    return Counter(WORDS)


def counter_text():
    return Counter(TEXT)


def counter_update():
    c = Counter()
    for w in WORDS:
        c[w] += 1
    return c


def counter_most_common():
    return C1.most_common(10), C1.most_common()


def counter_arithmetic():
    return C1 + C2, C1 - C2, C1 & C2, C1 | C2


def defaultdict_list():
    d = defaultdict(list)
    for w in WORDS:
        d[w].append(1)


def defaultdict_int():
    d = defaultdict(int)
    for w in WORDS:
        d[w] += 1


def ordered_build():
    return OrderedDict(PAIRS)


def ordered_set_get():
    d = OrderedDict()
    for k, v in PAIRS:
        d[k] = v
    for k, v in PAIRS:
        d[k]


def ordered_move():
    d = OD
    for k, v in PAIRS:
        d.move_to_end(k)


def ordered_pop():
    d = OrderedDict(PAIRS)
    while d:
        d.popitem(last=False)


def ordered_iterate():
    for k, v in OD.items():
        pass
    for k in reversed(OD):
        pass


def namedtuple_make():
    for i in range(200):
        Point(i, 2, 3)


def namedtuple_keywords():
    for i in range(200):
        Point(x=i, y=2, z=3)


def namedtuple_fields():
    for p in POINTS:
        p.x, p.y, p.z


def namedtuple_replace():
    for p in POINTS[:50]:
        p._replace(x=1)


def namedtuple_asdict():
    for p in POINTS[:50]:
        p._asdict()


def namedtuple_class():
    return namedtuple("T", "a b c d")


def chainmap_get():
    for i in range(100):
        CHAIN["a"], CHAIN["c"], CHAIN.get("x")


def userdict():
    d = UserDict()
    for k, v in PAIRS[:100]:
        d[k] = v
    return [d[k] for k, v in PAIRS[:100]]


runner = pyperf.Runner()
for f in (deque_append_popleft, deque_bounded, deque_iterate, deque_rotate_index, deque_extend,
          counter_words, counter_text, counter_update, counter_most_common, counter_arithmetic,
          defaultdict_list, defaultdict_int, ordered_build, ordered_set_get, ordered_move,
          ordered_pop, ordered_iterate, namedtuple_make, namedtuple_keywords,
          namedtuple_fields, namedtuple_replace, namedtuple_asdict, namedtuple_class,
          chainmap_get, userdict):
    runner.bench_func(f"collections_{f.__name__}", f)

# SPDX-License-Identifier: MIT
"""pickle: values of one kind at a time, written and read back with the default protocol."""
import collections
import dataclasses
import datetime
import pickle

import pyperf


class Plain:
    def __init__(self, i):
        self.name = f"name{i}"
        self.size = i
        self.parts = [i, i + 1]


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int
    y: float


class Reduced:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __reduce__(self):
        return Reduced, (self.a, self.b)


Point = collections.namedtuple("Point", "x y z")

VALUES = {
    "ints": [i * 7919 for i in range(1000)],
    "floats": [i / 7 for i in range(1000)],
    "strings": [f"string number {i}" for i in range(500)],
    "unicode": [f"струна {i} é" for i in range(500)],
    "bytes": [b"x" * (i % 40) for i in range(500)],
    "tuples": [(i, str(i)) for i in range(500)],
    "dicts": [{"id": i, "name": f"n{i}", "tags": ["a", "b"], "ok": True} for i in range(200)],
    "sets": [{i, i + 1, "x", "y"} for i in range(200)],
    "frozensets": [frozenset((i, i + 1, i + 2)) for i in range(200)],
    "big_set": set(range(2000)),
    "objects": [Plain(i) for i in range(200)],
    "slotted": [Slotted(i, i / 3) for i in range(200)],
    "reduced": [Reduced(i, str(i)) for i in range(200)],
    "namedtuples": [Point(i, i, i) for i in range(200)],
    "datetimes": [datetime.datetime(2024, 1, 1 + i % 28, i % 24) for i in range(200)],
    "shared": [["same"] * 3] * 500,
}

runner = pyperf.Runner()
for kind, value in VALUES.items():
    data = pickle.dumps(value)
    runner.bench_func(f"pickle_dumps_{kind}", pickle.dumps, value)
    runner.bench_func(f"pickle_loads_{kind}", pickle.loads, data)

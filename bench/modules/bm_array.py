# SPDX-License-Identifier: MIT
"""array: items, slices, growth, conversions, comparisons."""
from array import array

import pyperf

N = 1000
INTS = list(range(N))
FLOATS = [i / 3 for i in range(N)]
I = array("i", INTS)
Q = array("q", INTS)
D = array("d", FLOATS)
B = array("B", bytes(range(250)) * 4)
RAW = D.tobytes()


def from_list():
    return array("i", INTS)


def from_floats():
    return array("d", FLOATS)


def append():
    a = array("i")
    for i in range(N):
        a.append(i)


def extend_generator():
    return array("q", (i for i in range(N)))


def get_item():
    a, n = D, 0.0
    for i in range(N):
        n += a[i]
    return n


def set_item(a=array("i", INTS)):
    for i in range(N):
        a[i] = i


def iterate():
    n = 0
    for x in I:
        n += x
    return n


def total():
    return sum(Q) + sum(D)


def slices():
    for i in range(100):
        I[i:i + 50]
        I[::2]


def concatenate():
    for i in range(50):
        I + I


def repeat():
    return array("d", [0.0]) * 10000


def tolist():
    return I.tolist(), D.tolist(), B.tolist()


def tobytes_frombytes():
    a = array("d")
    a.frombytes(RAW)
    return a.tobytes()


def compare():
    return D == array("d", D), I < Q


def index_count():
    return I.index(900), I.count(900), 900 in I


def byteswap(a=array("d", FLOATS)):
    a.byteswap()


def reverse(a=array("i", INTS)):
    a.reverse()


def memory_view():
    m = memoryview(I)
    n = 0
    for i in range(200):
        n += m[i]
    return n


runner = pyperf.Runner()
for f in (from_list, from_floats, append, extend_generator, get_item, set_item, iterate, total,
          slices, concatenate, repeat, tolist, tobytes_frombytes, compare, index_count,
          byteswap, reverse, memory_view):
    runner.bench_func(f"array_{f.__name__}", f)

"""train.py: the program whose run guides a profile-guided build (make pgo).

What programs do most, in about equal parts: calls, attributes and containers; numbers;
text; generators and exceptions; classes; the compiler; native modules; start and end of
the process. Some ten seconds under an instrumented build.
SPDX-License-Identifier: MIT
"""
import ast
import collections
import dataclasses
import functools
import heapq
import io
import itertools
import json
import math
import os
import pickle
import random
import re
import string
import subprocess
import sys


class Vector:
    __slots__ = ('x', 'y', 'z')

    def __init__(self, x, y, z):
        self.x, self.y, self.z = x, y, z

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y, self.z + other.z)

    def dot(self, other):
        return self.x * other.x + self.y * other.y + self.z * other.z


class Node:
    def __init__(self, key, left=None, right=None):
        self.key, self.left, self.right = key, left, right

    def insert(self, key):
        if key < self.key:
            if self.left is None:
                self.left = Node(key)
            else:
                self.left.insert(key)
        elif self.right is None:
            self.right = Node(key)
        else:
            self.right.insert(key)

    def __iter__(self):
        if self.left is not None:
            yield from self.left
        yield self.key
        if self.right is not None:
            yield from self.right


@dataclasses.dataclass(order=True)
class Item:
    weight: int
    name: str
    tags: list = dataclasses.field(default_factory=list)


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def objects():
    total = Vector(0.0, 0.0, 0.0)
    for i in range(4000):
        v = Vector(i * 0.5, i * 0.25, -i)
        total = total + v
        total.dot(v)
    root = Node(500)
    rng = random.Random(1)
    for _ in range(2000):
        root.insert(rng.randrange(1000))
    assert list(root) == sorted(root)
    items = [Item(rng.randrange(100), str(i)) for i in range(500)]
    items.sort()
    sorted(items, key=lambda item: item.name)
    fib(18)


def numbers():
    n, sieve = 20000, bytearray(b'\1') * 20000
    for i in range(2, 142):
        if sieve[i]:
            sieve[i * i::i] = bytes(len(range(i * i, n, i)))
    zr = zi = 0.0
    for i in range(20000):
        zr, zi = zr * zr - zi * zi + 0.1, 2.0 * zr * zi + 0.2
    matrix = [[(i * j) % 7 + 0.5 for j in range(30)] for i in range(30)]
    [[sum(map(lambda a, b: a * b, row, col)) for col in zip(*matrix)] for row in matrix]
    math.factorial(400) % 10 ** 50
    str(3 ** 2000)
    sum(math.sqrt(i) for i in range(3000))


def text():
    words = ('the quick brown fox jumps over the lazy dog and runs away ' * 60).split()
    counts = collections.Counter(words)
    out = io.StringIO()
    for word, n in counts.most_common():
        print(f'{word:>10} {n:5d} {n / 7:.3f}', file=out)
    for line in out.getvalue().splitlines():
        a, b, *_ = line.strip().split()
        line.upper().replace('O', '0').find('X')
        line.encode().decode('utf-8', 'replace')
        '-'.join(reversed(line)).partition(':')
    pattern = re.compile(r'(?P<name>[a-z]+)\s+(\d+)')
    for m in pattern.finditer(out.getvalue() * 10):
        m.group('name')
    re.sub(r'\b(\w)(\w*)', lambda m: m[1].upper() + m[2], ' '.join(words))
    string.Template('$a and $b').substitute(a=1, b='x')


def flow():
    def numbers(n):
        for i in range(n):
            if i % 3:
                yield i

    sum(x * 2 for x in numbers(8000))
    list(itertools.islice(itertools.accumulate(numbers(2000)), 500))
    failures = 0
    for i in range(2000):
        try:
            if i % 2:
                raise ValueError(i)
            {}[i]
        except (ValueError, KeyError) as e:
            failures += len(e.args)
        finally:
            failures -= 1

    @functools.lru_cache(maxsize=None)
    def ways(n):
        return 1 if n < 2 else ways(n - 1) + ways(n - 2)

    ways(300)
    heap = []
    for i in range(2000):
        heapq.heappush(heap, (i * 7919 % 1000, i))
    while heap:
        heapq.heappop(heap)

    def keywords(a, *args, b=2, **kw):
        return a, args, b, kw

    for i in range(2000):
        keywords(i, 1, 2, b=3, c=4)
        keywords(*(1, 2), **{'b': 5})
        functools.partial(keywords, 1)(i)
    grid = {(x, y): x ^ y for x in range(40) for y in range(40)}
    {k for k, v in grid.items() if v > 20} & {(1, 2), (30, 9)}


def data():
    value = {'list': list(range(200)), 'text': 'x' * 50, 'nested': [{'a': i, 'b': [None, True, 1.5]}
                                                                   for i in range(60)]}
    for _ in range(30):
        assert json.loads(json.dumps(value)) == value
        assert pickle.loads(pickle.dumps(value)) == value
    queue = collections.deque(maxlen=50)
    for i in range(5000):
        queue.append(i)
    collections.OrderedDict(zip('abc', range(3))).move_to_end('a')
    collections.namedtuple('P', 'x y')(1, 2)._replace(x=3)


def compiler():
    library = os.path.dirname(os.__file__)
    for name in ('argparse.py', 'dataclasses.py', 'inspect.py', 'typing.py', 'asyncio/tasks.py'):
        with open(os.path.join(library, name), encoding='utf-8') as f:
            source = f.read()
        compile(source, name, 'exec')
    ast.unparse(ast.parse(source))


def main():
    for _ in range(6):
        for part in (objects, numbers, text, flow, data, compiler):
            part()
    for _ in range(10):
        subprocess.run([sys.executable, '-c', 'import json, asyncio'], check=True)
        subprocess.run([sys.executable, '-I', '-c', 'pass'], check=True)


if __name__ == '__main__':
    main()

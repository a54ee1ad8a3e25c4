"""A tour of the language and the library, run by `make run'."""
import asyncio
import collections
import contextlib
import dataclasses
import enum
import functools
import io
import itertools
import json
import math
import os
import re
import sys
import tempfile
import textwrap


def title(text):
    print(f"\n== {text} ==")


title("Naja")
print(sys.version)
print("implementation:", sys.implementation.name, "- prefix:", os.path.basename(sys.prefix) or "/")

title("Numbers and strings")
print(2 ** 100, 7 // -2, -7 % 3, 0.1 + 0.2, 1e22, math.isqrt(10 ** 20))
print(f"{math.pi:.3f} {1234567:,} {255:#x} {'naja':^10}| {42!r:>5}")
print("straße".upper(), "İ".lower().encode(), "\N{SNAKE}".encode("utf-8"))

title("Containers")
words = "the quick brown fox jumps over the lazy dog the end".split()
count = collections.Counter(words)
print(count.most_common(2), sorted(set(map(len, words))))
head, *rest, tail = words
print(head, len(rest), tail, words[::-3])
print({k: v for k, v in sorted(count.items()) if v > 1}, [x * y for x in range(3) for y in range(3)])

title("Functions")


def greet(name, /, greeting="Hello", *args, punctuation="!", **extra):
    return f"{greeting}, {name}{punctuation}{args or ''}{extra or ''}"


print(greet("Ada"), greet("Bob", "Hi", 1, punctuation="?", x=2))


def trace(func):
    @functools.wraps(func)
    def wrapper(*args):
        wrapper.calls += 1
        return func(*args)
    wrapper.calls = 0
    return wrapper


@trace
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


print(fib(16), "in", fib.calls, "calls;", functools.reduce(lambda a, b: a * b, range(1, 11)))

title("Generators and iterators")


def primes():
    found = []
    for n in itertools.count(2):
        if all(n % p for p in found):
            found.append(n)
            yield n


print(list(itertools.islice(primes(), 12)))
print([list(g) for _, g in itertools.groupby([1, 1, 2, 3, 3])], list(itertools.batched("abcdefg", 3)))

title("Classes")


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


@dataclasses.dataclass(order=True)
class Point:
    x: float
    y: float = 0.0

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)

    @property
    def norm(self):
        return math.hypot(self.x, self.y)


print(Point(1, 2) + Point(2, 2), Point(3, 4).norm, sorted([Point(2), Point(1)]), list(Colour))


def describe(value):
    match value:
        case Point(x=0, y=0):
            return "origin"
        case Point(x=x) if x > 100:
            return "far"
        case [first, *others]:
            return f"sequence of {1 + len(others)} from {first}"
        case {"name": str(name)}:
            return f"named {name}"
        case _:
            return type(value).__name__


print([describe(v) for v in (Point(0, 0), Point(101), (1, 2, 3), {"name": "x"}, 4.5)])

title("Exceptions")
try:
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError("no such thing") from error
except ValueError as error:
    print(repr(error), "because of", repr(error.__cause__))
try:
    raise ExceptionGroup("several", [TypeError("a"), OSError(2, "b")])
except* OSError as group:
    print("caught", group.exceptions)
except* TypeError as group:
    print("and", group.exceptions)
with contextlib.suppress(ZeroDivisionError):
    1 / 0

title("Text, files, data")
print(re.sub(r"(\w+)@(\w+)\.com", r"\2: \1", "ada@lovelace.com, alan@turing.com"))
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "data.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"pi": math.pi, "list": [1, None, True], "ü": "ß"}, file, ensure_ascii=False)
    with open(path, encoding="utf-8") as file:
        print(json.load(file), os.path.getsize(path))
buffer = io.StringIO()
print("into memory", file=buffer)
print(textwrap.fill(buffer.getvalue() * 6, 40))

title("Concurrency")


async def worker(name, queue, results):
    while (item := await queue.get()) is not None:
        await asyncio.sleep(0)
        results.append((name, item))


async def main():
    queue, results = asyncio.Queue(), []
    workers = [asyncio.create_task(worker(n, queue, results)) for n in "ab"]
    for item in range(4):
        await queue.put(item)
    for _ in workers:
        await queue.put(None)
    await asyncio.gather(*workers)
    return results


with contextlib.suppress(ImportError):
    print(sorted(asyncio.run(main()), key=lambda r: r[1]))
print("\nThat was Python on Naja.")

# SPDX-License-Identifier: MIT
"""decimal: construction, arithmetic at ordinary and high precision, text, contexts."""
import decimal
from decimal import Decimal as D

import pyperf

N = range(100)
A, B, C = D("123.456"), D("7.89"), D("-0.001")
CENT = D("0.01")
MANY = [D(i) / 7 for i in range(1, 101)]
TEXTS = [f"{i}.{i * 37 % 1000:03d}" for i in range(100)]


def from_str():
    for s in TEXTS:
        D(s)


def from_int():
    for i in N:
        D(i)


def from_float():
    for i in N:
        D(0.1)


def add():
    x = D(0)
    for i in N:
        x = x + A
    return x


def arithmetic():
    for i in N:
        (A * B - C) / B + A


def mixed_int():
    for i in N:
        A * i + 1


def compare():
    for x in MANY:
        x < A, x == B


def sort():
    return sorted(MANY, reverse=True)


def total():
    return sum(MANY)


def quantize():
    for x in MANY:
        x.quantize(CENT, rounding=decimal.ROUND_HALF_UP)


def to_str():
    for x in MANY:
        str(x)


def fmt():
    for x in MANY:
        f"{x:.2f}"


def fmt_comma():
    for x in MANY:
        format(x, ",.2f")


def to_int_float():
    for x in MANY:
        int(x), float(x)


def hash_():
    for x in MANY:
        hash(x)


def as_tuple():
    for x in MANY:
        x.as_tuple()


def sqrt_ln():
    for x in MANY[:10]:
        x.sqrt(), x.ln()


def local_context():
    for i in range(20):
        with decimal.localcontext(prec=50):
            A / B


def high_precision():
    with decimal.localcontext(prec=2000):
        return D(2).sqrt() * D(3).sqrt()


def round_():
    for x in MANY:
        round(x, 2)


runner = pyperf.Runner()
for f in (from_str, from_int, from_float, add, arithmetic, mixed_int, compare, sort, total,
          quantize, to_str, fmt, fmt_comma, to_int_float, hash_, as_tuple, sqrt_ln,
          local_context, high_precision, round_):
    runner.bench_func(f"decimal_{f.__name__.strip('_')}", f)

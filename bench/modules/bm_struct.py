# SPDX-License-Identifier: MIT
"""struct: module functions, compiled formats, buffers and iteration."""
import struct

import pyperf

N = range(100)
S = struct.Struct("<IhBdq")
ONE = S.pack(1, 2, 3, 4.5, 6)
MANY = ONE * 100
BIG = struct.Struct(">HHIIQ")
BIG_ONE = BIG.pack(1, 2, 3, 4, 5)
FLOATS = [i / 3 for i in range(100)]


def module_pack():
    for i in N:
        struct.pack("<IhBdq", i, 2, 3, 4.5, 6)


def module_unpack():
    for i in N:
        struct.unpack("<IhBdq", ONE)


def pack():
    p = S.pack
    for i in N:
        p(i, 2, 3, 4.5, 6)


def unpack():
    u = S.unpack
    for i in N:
        u(ONE)


def unpack_from():
    u = S.unpack_from
    for i in N:
        u(MANY, i * S.size)


def pack_into(buffer=bytearray(MANY)):
    p = S.pack_into
    for i in N:
        p(buffer, i * S.size, i, 2, 3, 4.5, 6)


def iter_unpack():
    return [a for a, *_ in S.iter_unpack(MANY)]


def big_endian():
    for i in N:
        BIG.unpack(BIG.pack(1, 2, 3, 4, i))


def one_int():
    for i in N:
        struct.unpack("<I", struct.pack("<I", i))


def many_floats():
    return struct.unpack("100d", struct.pack("100d", *FLOATS))


def strings():
    for i in N:
        struct.unpack("4s8sx2s", struct.pack("4s8sx2s", b"abcd", b"efgh", b"ij"))


def native():
    for i in N:
        struct.pack("@iPn", i, 1, 2)


def calcsize():
    for i in N:
        struct.calcsize("<IhBdq")


runner = pyperf.Runner()
for f in (module_pack, module_unpack, pack, unpack, unpack_from, pack_into, iter_unpack,
          big_endian, one_int, many_floats, strings, native, calcsize):
    runner.bench_func(f"struct_{f.__name__}", f)

# SPDX-License-Identifier: MIT
"""zlib: whole buffers, small ones, objects fed piece by piece, checksums, gzip on top."""
import gzip
import zlib

import pyperf

TEXT = b"".join(b"line %d of a compressible text, more or less\n" % (i * 7 % 1000)
                for i in range(4000))
SMALL = TEXT[:200]
PACKED = zlib.compress(TEXT)
SMALL_PACKED = zlib.compress(SMALL)
GZIP = gzip.compress(TEXT)
PIECES = [TEXT[i:i + 512] for i in range(0, len(TEXT), 512)]


def compress():
    return zlib.compress(TEXT)


def compress_fast():
    return zlib.compress(TEXT, 1)


def decompress():
    return zlib.decompress(PACKED)


def compress_small():
    for i in range(10):
        zlib.compress(SMALL)


def decompress_small():
    for i in range(50):
        zlib.decompress(SMALL_PACKED)


def compressobj():
    c = zlib.compressobj()
    return b"".join([c.compress(p) for p in PIECES] + [c.flush()])


def decompressobj():
    d = zlib.decompressobj()
    return b"".join([d.decompress(PACKED[i:i + 100]) for i in range(0, len(PACKED), 100)])


def crc32():
    return zlib.crc32(TEXT)


def crc32_small():
    for i in range(100):
        zlib.crc32(b"abcdefgh", i)


def adler32():
    return zlib.adler32(TEXT)


def gzip_decompress():
    return gzip.decompress(GZIP)


runner = pyperf.Runner()
for f in (compress, compress_fast, decompress, compress_small, decompress_small, compressobj,
          decompressobj, crc32, crc32_small, adler32, gzip_decompress):
    runner.bench_func(f"zlib_{f.__name__}", f)

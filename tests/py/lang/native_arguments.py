# How arguments reach functions written in C: by position, by keyword, and what is refused.
import datetime, struct, zlib, time, binascii, array

S = struct.Struct('>hHiIqQbBd')
one = S.pack(-2, 65535, -3, 2**32 - 1, -2**63, 2**64 - 1, -128, 255, 0.5)
print(one.hex(), S.unpack(one) == struct.unpack_from('>hHiIqQbBd', buffer=b'x' + one, offset=1))
print(struct.unpack_from('<hHiIqQbBd', struct.pack('<hHiIqQbBd', *S.unpack(one)), offset=0))


def tries(*cases):
    for f, args, kw in cases:
        try:
            r = f(*args, **kw)
        except Exception as e:
            r = f'{type(e).__name__}: {e}'
        print(r)


B, d = bytearray(40), datetime.datetime(2024, 2, 29, 1, 2, 3, 4)
tries((S.unpack_from, (), {}),
      (S.unpack_from, (one,), {'offset': -len(one)}),
      (S.unpack_from, (one, 0), {'offset': 1}),
      (S.unpack_from, (one,), {'offse\x01t': 1}),
      (S.unpack_from, (one, 0, 0), {}),
      (S.unpack_from, (one, 'a'), {}),
      (S.unpack_from, (one, 2**100), {}),
      (S.pack_into, (B, 0), {}),
      (struct.pack_into, ('i', b'abcd', 0, 1), {}),
      (struct.pack_into, ('i', B, 37, 1), {}),
      (struct.pack, ('b', 128), {}), (struct.pack, ('B', -1), {}),
      (struct.pack, ('<H', 65536), {}), (struct.pack, ('<q', 2**63), {}),
      (struct.pack, ('<Q', -1), {}), (struct.pack, ('d', 3), {}), (struct.pack, ('i', 1.0), {}),
      (struct.pack, ('?', []), {}), (struct.pack, ('b', True), {}),
      (d.replace, (), {'hour': 5, 'fold': 1}), (d.replace, (2023,), {'day': 1}),
      (d.replace, (2023,), {'year': 1}), (d.replace, (), {'hours': 1}),
      (d.replace, (), {'hour': 'x'}), (d.replace, (), {'hour': 2**70}),
      (datetime.datetime.combine, (d.date(),), {'time': d.time(), 'tzinfo': None}),
      (datetime.datetime.combine, (d.date(),), {}),
      (datetime.datetime.fromtimestamp, (), {'timestamp': 0, 'tz': datetime.timezone.utc}),
      (datetime.datetime.fromtimestamp, (0, 1), {}),
      (datetime.date.fromordinal, (1.5,), {}), (datetime.date.fromordinal, (2**40,), {}),
      (zlib.crc32, (b'abc', 1, 2), {}), (zlib.crc32, ('abc',), {}), (zlib.crc32, (b'abc', -1), {}),
      (zlib.compress, (b'',), {'level': 1, 'levels': 2}), (zlib.decompress, (b'x',), {'wbits': 'y'}),
      (binascii.crc_hqx, (b'abc',), {}), (time.strftime, (), {}))
for x in [datetime.datetime(2024, 1, 1, h, m, 0, u) for h, m, u in [(0, 0, 1), (23, 59, 999999)]]:
    for y in (d, datetime.datetime(2023, 12, 31, 23, 59, 59, 999999), x):
        print(x - y, y - x, x < y, x == y, x >= y)
a, *b = (1, 2, 3)
*c, e = [1]
print(a, b, c, e)
tries((lambda: (lambda: [a for a, *b, c in [(1,)]])(), (), {}))


class L:
    def __init__(self, n): self.n = n
    def __lt__(self, o): return [self.n] if self.n < o.n else []
    def __repr__(self): return str(self.n)


class M(L):
    def __lt__(self, o): return NotImplemented


class G(M):
    def __gt__(self, o): return o.n < self.n


print(sorted([L(3), L(1), L(2)]), sorted([G(3), G(1), G(2)]))
tries((sorted, ([M(3), M(1)],), {}))

# -> fffefffffffffffdffffffff8000000000000000ffffffffffffffff80ff3fe0000000000000 True
# -> (-2, 65535, -3, 4294967295, -9223372036854775808, 18446744073709551615, -128, 255, 0.5)
# -> TypeError: unpack_from() missing required argument 'buffer' (pos 1)
# -> (-2, 65535, -3, 4294967295, -9223372036854775808, 18446744073709551615, -128, 255, 0.5)
# -> TypeError: unpack_from() takes at most 2 arguments (3 given)
# -> TypeError: unpack_from() got an unexpected keyword argument 'offset'. Did you mean 'offset'?
# -> TypeError: unpack_from() takes at most 2 arguments (3 given)
# -> TypeError: 'str' object cannot be interpreted as an integer
# -> OverflowError: Python int too large to convert to C ssize_t
# -> error: pack_into expected 9 items for packing (got 0)
# -> TypeError: argument must be read-write bytes-like object, not bytes
# -> error: pack_into requires a buffer of at least 41 bytes for packing 4 bytes at offset 37 (actual buffer size is 40)
# -> error: 'b' format requires -128 <= number <= 127
# -> error: 'B' format requires 0 <= number <= 255
# -> error: 'H' format requires 0 <= number <= 65535
# -> error: 'q' format requires -9223372036854775808 <= number <= 9223372036854775807
# -> error: 'Q' format requires 0 <= number <= 18446744073709551615
# -> b'\x00\x00\x00\x00\x00\x00\x08@'
# -> error: required argument is not an integer
# -> b'\x00'
# -> b'\x01'
# -> 2024-02-29 05:02:03.000004
# -> 2023-02-01 01:02:03.000004
# -> TypeError: argument for replace() given by name ('year') and position (1)
# -> TypeError: replace() got an unexpected keyword argument 'hours'. Did you mean 'hour'?
# -> TypeError: 'str' object cannot be interpreted as an integer
# -> OverflowError: Python int too large to convert to C int
# -> 2024-02-29 01:02:03.000004
# -> TypeError: combine() missing required argument 'time' (pos 2)
# -> 1970-01-01 00:00:00+00:00
# -> TypeError: tzinfo argument must be None or of a tzinfo subclass, not type 'int'
# -> TypeError: 'float' object cannot be interpreted as an integer
# -> OverflowError: signed integer is greater than maximum
# -> TypeError: crc32 expected at most 2 arguments, got 3
# -> TypeError: a bytes-like object is required, not 'str'
# -> 899311407
# -> TypeError: compress() got an unexpected keyword argument 'levels'. Did you mean 'level'?
# -> TypeError: 'str' object cannot be interpreted as an integer
# -> TypeError: crc_hqx expected 2 arguments, got 1
# -> TypeError: strftime() takes at least 1 argument (0 given)
# -> -60 days, 22:57:56.999997 59 days, 1:02:03.000003 True False False
# -> 0:00:00.000002 -1 day, 23:59:59.999998 False False True
# -> 0:00:00 0:00:00 False True True
# -> -59 days, 22:56:57.999995 58 days, 1:03:02.000005 True False False
# -> 23:59:01 -1 day, 0:00:59 False False True
# -> 0:00:00 0:00:00 False True True
# -> 1 [2, 3] [] 1
# -> ValueError: not enough values to unpack (expected at least 2, got 1)
# -> [1, 2, 3] [1, 2, 3]
# -> TypeError: '<' not supported between instances of 'M' and 'M'

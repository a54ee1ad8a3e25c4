print(2 ** 200, -7 // 2, -7 % 2, divmod(-7, 2), 7 & -2, ~5, 1 << 70, (1 << 70) >> 65)
print(int('ff', 16), int('-0b101', 0), int(' 12_000 '), hex(255), bin(-5), oct(8))
print((10 ** 40) // (10 ** 20 + 1), pow(3, 1000, 10 ** 9 + 7), pow(3, -1, 7), (255).to_bytes(2, 'big'), int.from_bytes(b'\xff\xfe', 'little', signed=True))
print((12345).bit_length(), (7).bit_count(), hash(2 ** 61 - 1), hash(-1), 10 ** 18 == 1e18, 2 ** 53 + 1 == float(2 ** 53 + 1))
for bad in ('', '1__0', '0x', '12a'):
    try:
        int(bad)
    except ValueError as e:
        print(e)
a = 4611686018427387903
print(a + 1, a * 2, -a - 2, a * a, (a + 1) - 1 == a, sum([a] * 5))
print(f'{1234567:,} {-5:+d} {255:#06x} {3:08b} {10**20:e}')

# -> 1606938044258990275541962092341162602522202993782792835301376 -4 1 (-4, 1) 6 -6 1180591620717411303424 32
# -> 255 -5 12000 0xff -0b101 0o10
# -> 99999999999999999999 56888193 5 b'\x00\xff' -257
# -> 14 3 0 -2 True False
# -> invalid literal for int() with base 10: ''
# -> invalid literal for int() with base 10: '1__0'
# -> invalid literal for int() with base 10: '0x'
# -> invalid literal for int() with base 10: '12a'
# -> 4611686018427387904 9223372036854775806 -4611686018427387905 21267647932558653957237540927630737409 True 23058430092136939515
# -> 1,234,567 -5 0x00ff 00000011 1.000000e+20

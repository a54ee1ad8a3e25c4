print(0.1 + 0.2, 1e16, 1e-5, 123456789.123456789, 5e-324, 1.7976931348623157e308, -0.0)
print(float('inf'), float('-nan') != 0, float('1e-400'), 1.5.hex(), float.fromhex('0x1.8p+1'), (0.75).as_integer_ratio())
print(round(2.5), round(3.5), round(2.675, 2), round(-1234.5678, -2), 7.5 // 2, -7.5 % 2, 2 ** 0.5)
print(f'{3.14159:.2f} {1e10:g} {1234.5:,.1f} {0.000123:.3e} {1/3:%}', '%.3f %5.1e %g' % (1.0, 12345.678, 1e-10))
print(hash(1.5), hash(1.0) == hash(1), float('1_0.5'), (1e308 * 10), complex(1, -2) * 2j, abs(3 + 4j))
for f in (lambda: 1.0 / 0, lambda: float('x'), lambda: 2.0 ** 5000, lambda: int(float('nan'))):
    try:
        f()
    except (ZeroDivisionError, ValueError, OverflowError) as e:
        print(type(e).__name__, e)

# -> 0.30000000000000004 1e+16 1e-05 123456789.12345679 5e-324 1.7976931348623157e+308 -0.0
# -> inf True 0.0 0x1.8000000000000p+0 3.0 (3, 4)
# -> 2 4 2.67 -1200.0 3.0 0.5 1.4142135623730951
# -> 3.14 1e+10 1,234.5 1.230e-04 33.333333% 1.000 1.2e+04 1e-10
# -> 1152921504606846977 True 10.5 inf (4+2j) 5.0
# -> ZeroDivisionError division by zero
# -> ValueError could not convert string to float: 'x'
# -> OverflowError (34, 'Numerical result out of range')
# -> ValueError cannot convert float NaN to integer

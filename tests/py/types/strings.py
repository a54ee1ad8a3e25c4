s = 'Hello, Wörld €𝄞'
print(len(s), s.upper(), s.casefold(), s[::-1], s.encode(), s.find('€'), s.partition(', '))
print('a,b,,c'.split(','), ' a  b '.split(), 'x'.join('abc'), 'ab'.center(7, '*'), '42'.zfill(5), 'aXbX'.replace('X', '--', 1))
print('%s %r %5d|%-5s|%05.1f %x %%' % ('a', 'b', 42, 'c', 3.14159, 255), '{0} {a!r:>5} {0.real}'.format(1, a='z'))
print('ß'.upper(), 'ﬁ'.title(), 'İ'.lower() == 'i̇', '١٢'.isdigit(), int('١٢'), 'a\tb'.expandtabs(4), 'tEST'.swapcase())
print(repr('\x00\n\'"\u2028\ud800'), ascii('é€'), 'abc' < 'abd', 'a' * 3, 'b' in 'abc', 'é' == 'e\u0301')
print('äöü'.translate({ord('ä'): 'ae', ord('ö'): None}), 'one two'.title(), 'a\nb\r\nc'.splitlines(), 'x=1'.removeprefix('x='))
for f in (lambda: 'a' + 1, lambda: 'abc'.index('z'), lambda: '%d' % 'x', lambda: '{}'.format(), lambda: b'\xff'.decode(), lambda: 'é'.encode('ascii')):
    try:
        f()
    except Exception as e:
        print(type(e).__name__, e)

# -> 15 HELLO, WÖRLD €𝄞 hello, wörld €𝄞 𝄞€ dlröW ,olleH b'Hello, W\xc3\xb6rld \xe2\x82\xac\xf0\x9d\x84\x9e' 13 ('Hello', ', ', 'Wörld €𝄞')
# -> ['a', 'b', '', 'c'] ['a', 'b'] axbxc ***ab** 00042 a--bX
# -> a 'b'    42|c    |003.1 ff % 1   'z' 1
# -> SS Fi True True 12 a   b Test
# -> '\x00\n\'"\u2028\ud800' '\xe9\u20ac' True aaa True False
# -> aeü One Two ['a', 'b', 'c'] 1
# -> TypeError can only concatenate str (not "int") to str
# -> ValueError substring not found
# -> TypeError %d format: a real number is required, not str
# -> IndexError Replacement index 0 out of range for positional args tuple
# -> UnicodeDecodeError 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte
# -> UnicodeEncodeError 'ascii' codec can't encode character '\xe9' in position 0: ordinal not in range(128)

import re
print(re.findall(r'\b(\w)(\w*)', 'one two'), re.sub(r'(?P<a>\d+)', lambda m: str(int(m['a']) * 2), 'a1b22'))
print(re.match(r'(a+)+b', 'aaab').span(), re.search(r'(?<=x)y(?!z)', 'xyz xy').start(), re.split(r'(-)', 'a-b-c'))
print(re.fullmatch(r'(?i)straße', 'STRAßE'), re.findall(r'(?m)^\w+$', 'a\nbc\n'), repr(re.sub(r'\s+', ' ', ' a \n b ')))
m = re.match(r'(?:(a)|b)*', 'ab')
print(m.group(), m.groups(), m.lastindex, re.compile('a|b', re.I | re.X), re.escape('a.b*c'))
print(re.findall(r'[^\W\d_]+', 'aé1_b'), re.findall(r'a{2,3}?', 'aaaaa'), re.findall(r'(?>a+)b|a', 'aab'), re.match(r'(x)?(?(1)y|z)', 'z'))
for bad in ('(', '[a', '*a', '(?P<1>a)', 'a{2,1}', '(?z)'):
    try:
        re.compile(bad)
    except re.PatternError as e:
        print(e)
import _sre
for code in ([14, 4, 0, 0, 0, 15, 65, 1], [6, 0, 15, 47, 1], [24, 8, 0, 2, 2, 1, 15, 2, 1, 1]):  # a JUMP that leads out
    try:
        _sre.compile('', 0, code, 0, {}, ())
    except RuntimeError as e:
        print(e)
print(re.match(r'(?:a?){12}a{12}', 'a' * 12) is not None, len(re.findall('.', 'x' * 100000)))

# -> [('o', 'ne'), ('t', 'wo')] a2b44
# -> (0, 4) 5 ['a', '-', 'b', '-', 'c']
# -> <re.Match object; span=(0, 6), match='STRAßE'> ['a', 'bc'] ' a b '
# -> ab ('a',) 1 re.compile('a|b', re.IGNORECASE|re.VERBOSE) a\.b\*c
# -> ['aé', 'b'] ['aa', 'aa'] ['aab'] <re.Match object; span=(0, 1), match='z'>
# -> missing ), unterminated subpattern at position 0
# -> unterminated character set at position 0
# -> nothing to repeat at position 0
# -> bad character in group name '1' at position 4
# -> min repeat greater than max repeat at position 2
# -> unknown extension ?z at position 1
# -> invalid SRE code
# -> invalid SRE code
# -> invalid SRE code
# -> True 100000

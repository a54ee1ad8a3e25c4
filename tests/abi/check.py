"""check.py DIR TYPES.tsv: compares static types and immortal objects, as the extension probe in DIR sees them, with the
reference's. Runs under the interpreter in question. Prints `N passed, N failed'."""
import csv
import os
import sys

sys.path.insert(0, sys.argv[1])
import probe

IMMORTAL = 0x0005_0000_C000_0000
passed = failed = 0


def check(ok, text):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print('FAIL', text)


# Reference names for what the two differ in on purpose or by time of looking: lazily filled caches.
IGNORED_SLOTS = {'cache', 'subclasses', 'weaklist'}
# A flag that tells of a version tag, set when the cache first needs one.
IGNORED_FLAGS = 1 << 18

known = set()
with open(os.path.join(os.path.dirname(sys.argv[2]), 'differences.txt')) as f:
    known = {line.strip() for line in f if line.strip() and not line.startswith('#')}
seen = set()


def differ(text, detail):
    """A difference that differences.txt lists counts as passed."""
    seen.add(text)
    check(text in known, f'{text}: {detail}')


with open(sys.argv[2], newline='') as f:
    for r in csv.DictReader(f, delimiter='\t'):
        name = r['symbol']
        got = probe.type(name)
        if got is None:
            differ(f'{name} symbol', 'missing')
            continue
        tp_name, word, basic, item, vector, weak, dictoff, flags, filled = got
        for column, value in (('tp_name', tp_name), ('tp_basicsize', basic), ('tp_itemsize', item),
                              ('tp_vectorcall_offset', vector), ('tp_weaklistoffset', weak),
                              ('tp_dictoffset', dictoff)):
            want = r[column] if column == 'tp_name' else int(r[column])
            if value == want:
                check(True, '')
            else:
                differ(f'{name} {column}', f'{value}, the reference {want}')
        want = int(r['tp_flags'], 16)
        if (flags ^ want) & ~IGNORED_FLAGS:
            differ(f'{name} tp_flags', f'{flags:#x}, the reference {want:#x}')
        else:
            check(True, '')
        if word == IMMORTAL:
            check(True, '')
        else:
            differ(f'{name} refcount', f'{word:#x}')
        want = set(r['nonnull_slots'].split(',')) - IGNORED_SLOTS
        have = set(filled) - IGNORED_SLOTS
        for slot in sorted(want - have):
            differ(f'{name} lacks {slot}', 'filled on the reference')
        for slot in sorted(have - want):
            differ(f'{name} has {slot}', 'empty on the reference')
        check(True, '')

for o in (None, True, False, NotImplemented, Ellipsis, (), '', b'', -5, 0, 256, 'a', '\xff', b'a', b'\xff'):
    check(probe.word(o) == IMMORTAL, f'{o!r} has the refcount word {probe.word(o):#x}')
check(sys.getrefcount(None) == 0xC0000000, 'sys.getrefcount(None)')
for o in ([], {}, object(), 10**6 + len(sys.argv), 'x' * 50 + sys.argv[0], frozenset(sys.argv)):
    check(probe.word(o) >> 32 == 0, f'{o!r}: bits above the count')
for n, tag in ((0, 5), (1, 8 | 4), (-1, 8 | 4 | 2), (256, 8 | 4), (-5, 8 | 4 | 2), (257 + len(sys.path) * 0, 8),
               (-(10**6), 8 | 2), (2**30, 16), (-(2**59), 16 | 2), (2**60, 24)):
    check(probe.tag(n)[0] == tag, f'int {n}: lv_tag {probe.tag(n)[0]}, the reference {tag}')
for text in sorted(known - seen):
    check(False, f'differences.txt lists "{text}", which is no difference any more')
print(f'{passed} passed, {failed} failed')
sys.exit(failed > 0)

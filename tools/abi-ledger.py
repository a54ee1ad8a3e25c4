#!/usr/bin/env python3
"""abi-ledger.py NAJA [--update]

Compares what NAJA exports with tests/abi/symbols.tsv, the symbols of the reference's shared library by class:
implemented, stub (a weak symbol of src/capi/stubs.def), missing. The numbers may only improve: the floor is
tests/abi/ledger.tsv, which --update rewrites. Prints the table and `N passed, N failed'.
"""
import collections, csv, os, re, subprocess, sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
FLOOR = os.path.join(TOP, 'tests', 'abi', 'ledger.tsv')
COLUMNS = 'implemented', 'stub', 'missing'


def rows(*path):
    with open(os.path.join(TOP, *path), newline='') as f:
        return list(csv.DictReader(f, delimiter='\t'))


def exported(naja):
    """name -> (nm's letter, size)"""
    found = {}
    for line in subprocess.run(['nm', '-D', '--defined-only', '-S', naja], check=True, capture_output=True,
                               text=True).stdout.splitlines():
        words = line.split()
        found[words[-1].split('@')[0]] = words[-2], int(words[1], 16) if len(words) == 4 else 0
    return found


def main():
    naja = sys.argv[1]
    have = exported(naja)
    with open(os.path.join(TOP, 'src', 'capi', 'stubs.def')) as f:
        stubs = set(re.findall(r'^(?:FUNC|DATA)\((\w+)', f.read(), re.M))
    count = collections.defaultdict(collections.Counter)
    failed = []
    for r in rows('tests', 'abi', 'symbols.tsv'):
        name = r['name']
        weak = name in have and have[name][0] in 'WV'
        state = 'missing' if name not in have else 'stub' if weak and name in stubs else 'implemented'
        count[r['class']][state] += 1
        if name in stubs and state == 'implemented':
            print(f'{name} is implemented and can leave stubs.def')
        if state == 'missing':
            failed.append(f'{name} ({r["class"]}) is missing')
            continue
        letter, size = have[name]
        # Data is ABI by its kind and, because executables copy it, by its size.
        if (r['kind'] == 'function') != (letter in 'TtWi'):
            if r['kind'] != 'label':
                failed.append(f'{name} is no {r["kind"]}: {letter}')
        elif r['kind'] == 'data' and size != int(r['size']):
            failed.append(f'{name} has {size} bytes, the reference {r["size"]}')
    for name in sorted(stubs - set(have)):
        failed.append(f'{name} is in stubs.def but not exported')
    floor = {r['class']: r for r in rows('tests', 'abi', 'ledger.tsv')} if os.path.exists(FLOOR) else {}
    print(f'{"class":18}' + ''.join(f'{c:>12}' for c in COLUMNS))
    for cls, n in sorted(count.items()):
        print(f'{cls:18}' + ''.join(f'{n[c]:12}' for c in COLUMNS))
        f = floor.get(cls, {c: 0 for c in COLUMNS})
        if n['implemented'] < int(f['implemented']):
            failed.append(f'{cls}: {n["implemented"]} implemented, it was {f["implemented"]}')
    if '--update' in sys.argv:
        with open(FLOOR, 'w') as f:
            f.write('\t'.join(('class', *COLUMNS)) + '\n')
            for cls, n in sorted(count.items()):
                f.write('\t'.join([cls, *(str(n[c]) for c in COLUMNS)]) + '\n')
    for text in failed:
        print('FAIL', text)
    total = sum(sum(n.values()) for n in count.values())
    print(f'{max(0, total - len(failed))} passed, {len(failed)} failed')
    return bool(failed)


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""run.py - random sequences of C API calls under one interpreter, or under two compared.

    run.py NAJA [REFERENCE] [--seed N] [--first N] [--count N] [--include DIR] [--jobs N]
    run.py --functions

With a reference: prints what differs, grouped by the function that came out differently. Without: compares with
expected.txt.gz (see --record) and ends with `N passed, N failed'. --functions prints which functions of the API are
never called. ../README.md says more.
"""
import argparse
import collections
import concurrent.futures
import csv
import gzip
import os
import re
import subprocess
import sys
import sysconfig
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
EXPECTED = os.path.join(HERE, 'expected.txt.gz')
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
import capifuzz
objects = sys.modules['objects'] = type(sys)('objects')
with open(sys.argv[2] + '/objects.py') as f:
    exec(compile(f.read(), 'objects.py', 'exec'), objects.__dict__) # the same name on every machine
with open(sys.argv[2] + '/functions.txt') as f:
    table = [tuple(l.split()) for l in f if l.strip() and l[0] != '#']
capifuzz.run(objects.MAKERS, objects.GROUPS, table, *map(int, sys.argv[3:6]), sys.argv[6])
"""
CHUNK = 100 # of capifuzz.c: the sequences of one process
API = 'abi3', 'abi3-abionly', 'public', 'private-used'
# What may differ: parts of the text that say how an interpreter is made.
ALIKE = [
    (re.compile(r"<module '([\w.]+)' (?:[^>]*>|.*?\.\.\.)"), r"<module '\1'>"),
    (re.compile(r'\{[^{}:]*\.\.\.'), '{...'), # a set, in the order of addresses
    (re.compile(r'/[\w./-]*/lib(64)?/python3\.14'), 'LIB'),
]


def load_known():
    """Lines `FUNCTION REGEX': differences of calls of that function that are meant, with the reason above them."""
    known = []
    with open(os.path.join(HERE, 'known.txt')) as f:
        for line in f:
            if line.strip() and line[0] != '#':
                function, _, regex = line.rstrip('\n').partition(' ')
                known.append((function, re.compile(regex)))
    return known


def build(tmp, include):
    out = os.path.join(tmp, 'capifuzz.so')
    cc = os.environ.get('CC', 'gcc')
    subprocess.run([cc, '-O1', '-g', '-w', '-shared', '-fPIC', '-I' + include, os.path.join(HERE, 'capifuzz.c'), '-o', out,
                    '-ldl'], check=True)


def run(python, tmp, seed, first, count):
    path = os.path.join(tmp, f'{os.path.basename(python)}.{first}.txt')
    env = dict(os.environ, PYTHONHASHSEED='0', PYTHONDONTWRITEBYTECODE='1', LC_ALL='C.UTF-8')
    subprocess.run([python, '-W', 'always', '-c', RUN, tmp, HERE, str(seed), str(first), str(count),
                    path], check=True, env=env)
    lines = {}
    with open(path, errors='replace') as f:
        for line in f:
            index, _, rest = line.rstrip('\n').partition(' ')
            for regex, text in ALIKE:
                rest = regex.sub(text, rest)
            lines[int(index)] = rest
    os.unlink(path)
    return lines


def run_all(python, tmp, a):
    step = max(100, -(-a.count // a.jobs // 100) * 100)
    parts = [(f, min(step, a.first + a.count - f)) for f in range(a.first, a.first + a.count, step)]
    lines = {}
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for part in pool.map(lambda p: run(python, tmp, a.seed, *p), parts):
            lines.update(part)
    return lines


def print_functions():
    """Of the API (tests/abi/symbols.tsv without internal names), the functions that no sequence calls, and the counts."""
    with open(os.path.join(HERE, '../../abi/symbols.tsv'), newline='') as f:
        api = [r for r in csv.DictReader(f, delimiter='\t') if r['class'] in API]
    called = set()
    for name in ('functions.txt', 'wrappers.h', 'wrappers_objects.h', 'wrappers_runtime.h'):
        with open(os.path.join(HERE, name)) as f:
            text = f.read()
        if name == 'functions.txt':
            called |= {line.split()[0] for line in text.splitlines() if line.strip()}
        else:
            text = re.sub(r'(?m)^PyAPI_FUNC.*', '', text)
            called |= set(re.findall(r'\b(_?Py\w+)\)?\(', text)) | set(re.findall(r'AS_INT\((\w+)', text))
    functions = {r['name'] for r in api if r['kind'] == 'function'}
    for name in sorted(functions - called):
        print(name)
    print(f'{len(functions & called)} of {len(functions)} functions are called, of {len(api)} symbols')


def first_difference(got, want):
    """The function called when two lines part, and both calls."""
    g, w = (re.split(r' \| (?=\w+\()', text) for text in (got, want))
    for x, y in zip(g, w):
        if x != y:
            x, _, xt = x.partition(' || ')
            y, _, yt = y.partition(' || ')
            if x != y:
                return x.partition('(')[0].lstrip('| '), x, y
            return 'end of ' + x.partition('(')[0], xt, yt
    return 'length', got[-200:], want[-200:]


def same_line(got, want):
    return got == want or ('{' in got and sorted(got) == sorted(want)) # sets are in the order of addresses


def restart_as_reference(python, tmp, seed, got, want):
    """Where a crash has given the reference a new process and Naja had none, Naja starts there anew before it differs."""
    crash = None
    for index, w in sorted(want.items()):
        if index % CHUNK == 0:
            crash = None
        if crash is not None and not w.startswith('CRASH') and not same_line(got.get(index, 'missing'), w):
            got[index] = run(python, tmp, seed, crash + 1, index - crash).get(index, 'missing')
        if w.startswith('CRASH'):
            crash = index


def compare(got, want, known, show):
    groups = collections.defaultdict(list)
    crashes = same = skipped = 0
    for index, w in sorted(want.items()):
        g = got.get(index, 'missing')
        if same_line(g, w):
            same += 1
        elif w.startswith('CRASH'):
            skipped += 1
        else:
            function, x, y = first_difference(g, w) if not g.startswith('CRASH') else ('CRASH', g, w)
            if any(f in (function, function.split()[0]) and r.search(x) for f, r in known):
                same += 1
                continue
            crashes += function == 'CRASH'
            groups[function].append((index, x, y))
    for function, cases in sorted(groups.items(), key=lambda kv: (kv[0] != 'CRASH', -len(kv[1]))):
        print(f'{function}: {len(cases)}')
        for index, x, y in cases[:show]:
            print(f'    {index}\n        got  {x[:500]}\n        want {y[:500]}')
    return same, skipped, sum(map(len, groups.values())), crashes


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('naja', nargs='?')
    ap.add_argument('reference', nargs='?')
    ap.add_argument('--seed', type=int, default=1)
    ap.add_argument('--first', type=int, default=0)
    ap.add_argument('--count', type=int, default=2500)
    ap.add_argument('--jobs', type=int, default=2)
    ap.add_argument('--show', type=int, default=2, help='examples per function')
    ap.add_argument('--include', default=os.environ.get('NAJA_INCLUDE'))
    ap.add_argument('--functions', action='store_true')
    ap.add_argument('--record', action='store_true', help='write expected.txt.gz from the reference')
    a = ap.parse_args()
    if a.functions:
        print_functions()
        return 0
    if not a.naja:
        ap.error('which interpreter?')
    include = a.include or os.path.join(os.path.dirname(a.naja), '../include/python3.14')
    with tempfile.TemporaryDirectory() as tmp:
        build(tmp, include)
        if a.record:
            want = run_all(a.reference, tmp, a)
            with open(EXPECTED, 'wb') as raw, gzip.GzipFile('', 'wb', 9, raw, 0) as f:
                for index, text in sorted(want.items()):
                    if not text.startswith('CRASH'):
                        f.write(f'{index} {text}\n'.encode())
            return 0
        got = run_all(a.naja, tmp, a)
        if a.reference:
            want = run_all(a.reference, tmp, a)
            restart_as_reference(a.naja, tmp, a.seed, got, want)
        else:
            with gzip.open(EXPECTED, 'rt') as f:
                want = {int(k): v for k, _, v in (line.rstrip('\n').partition(' ') for line in f)}
            want = {k: v for k, v in want.items() if a.first <= k < a.first + a.count}
        same, skipped, different, crashes = compare(got, want, load_known(), a.show)
    print(f'{len(want)} sequences, {skipped} end the reference, {crashes} end Naja alone')
    print(f'{same} passed, {different} failed')
    return different != 0


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""leakcheck.py NAJA UNIT... [--warm 3] [--rounds 3] [--jobs 2] [--timeout 900] [--each] [--types]

Runs each regression unit several times in one process of NAJA, clearing caches and collecting between the rounds, and
compares what lives after them: tracked objects, allocated blocks, file descriptors, resident size. A unit leaks when a
figure grew in every measured round (the resident size: by more than 256 KiB in each). --each takes every test method
of the unit for itself, --types says of which types there are more. Prints `N passed, N failed'.
"""
import argparse
import concurrent.futures as cf
import os
import signal
import subprocess
import sys
import tempfile

RSS_NOISE = 256


def measure():
    import gc
    for _ in range(3):
        gc.collect()
    with open('/proc/self/statm') as f:
        rss = int(f.read().split()[1]) * (os.sysconf('SC_PAGESIZE') // 1024)
    fds = len(os.listdir('/proc/self/fd'))
    return len(gc.get_objects()), sys.getallocatedblocks(), fds, rss


def type_counts():
    import collections
    import gc
    counts = collections.Counter()
    for o in gc.get_objects():
        t = type(o)
        counts[f'{t.__module__}.{t.__qualname__}'] += 1
    return counts


def cleaner():
    """A function that puts the library's caches and registries back, with regrtest's own -R code."""
    import collections.abc
    import copyreg
    import linecache
    import warnings
    import zipimport
    from _abc import _get_dump
    from inspect import isabstract
    from test.libregrtest import refleak
    filters, table, importers = warnings.filters[:], copyreg.dispatch_table.copy(), sys.path_importer_cache.copy()
    zips, lines = zipimport._zip_directory_cache.copy(), (linecache.cache.copy(), linecache._interactive_cache.copy())
    registries = {}
    for cls in filter(isabstract, (getattr(collections.abc, n) for n in collections.abc.__all__)):
        for sub in [*cls.__subclasses__(), cls]:
            registries[sub] = _get_dump(sub)[0]

    def clean():
        refleak.dash_R_cleanup(filters, table, importers, zips, registries, lines)
    return clean


def child(unit, warm, rounds, each, types):
    import array
    import unittest
    import warnings
    from test import support
    support.use_resources = {}
    support.verbose = 0
    name = 'test.' + unit
    loader = unittest.TestLoader()
    clean = cleaner()

    def flat(suite):
        for t in suite:
            if isinstance(t, unittest.TestSuite):
                yield from flat(t)
            else:
                yield t.id()

    def run(names):
        suite = loader.loadTestsFromNames(names)
        result = unittest.TestResult()
        with warnings.catch_warnings():
            suite.run(result)
        support.reap_children()
        bad = len(result.failures) + len(result.errors)
        del suite, result
        clean()
        return bad

    def check(names, label):
        bad = 0
        for _ in range(warm):
            bad = run(names)
        counts = type_counts() if types else None
        figures = array.array('q', bytes(8 * 4 * (rounds + 1)))  # so that keeping them allocates nothing
        for i in range(rounds + 1):
            if i:
                bad = run(names)
            figures[4 * i:4 * i + 4] = array.array('q', measure())
        leaks = []
        for i, (what, noise) in enumerate((('objects', 0), ('blocks', 0), ('fds', 0), ('rss KiB', RSS_NOISE))):
            values = figures[i::4]
            deltas = [b - a for a, b in zip(values, values[1:])]
            if all(d > noise for d in deltas):
                leaks.append(f'{what} {deltas}')
        state = ('LEAK ' + ', '.join(leaks)) if leaks else 'ok'
        print(f'@@ {label}: {state}' + (f' ({bad} cases fail)' if bad else ''), flush=True)
        if types and leaks:
            for t, n in (type_counts() - counts).most_common(15):
                print(f'@@     {n:+6} {t}', flush=True)

    if not each:
        check([name], unit)
        return
    module = __import__(name, fromlist=['x'])
    for case in sorted(set(flat(loader.loadTestsFromModule(module)))):
        if case.startswith(name + '.') and '.__test__' not in case:  # examples in docstrings cannot be loaded by name
            check([case], case)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('naja')
    ap.add_argument('units', nargs='+')
    ap.add_argument('--warm', type=int, default=3)
    ap.add_argument('--rounds', type=int, default=3)
    ap.add_argument('--jobs', type=int, default=2)
    ap.add_argument('--timeout', type=int, default=900)
    ap.add_argument('--each', action='store_true')
    ap.add_argument('--types', action='store_true')
    ap.add_argument('--all', action='store_true', help='with --each: print what does not leak as well')
    a = ap.parse_args()
    # a job in the background ignores SIGINT, and so would the units: some wait for it
    signal.signal(signal.SIGINT, signal.default_int_handler)

    naja = os.path.abspath(a.naja)

    def unit(name):
        with tempfile.TemporaryDirectory() as d:
            try:
                p = subprocess.run([naja, os.path.abspath(__file__), '--child', name, str(a.warm), str(a.rounds),
                                    '1' if a.each else '', '1' if a.types else ''], cwd=d, stdin=subprocess.DEVNULL,
                                   capture_output=True, text=True, errors='replace', timeout=a.timeout)
                text, code = p.stdout, p.returncode
                tail = (p.stderr.strip().splitlines() or [''])[-1]
            except subprocess.TimeoutExpired as e:
                text, code, tail = (e.stdout or b'').decode(errors='replace'), None, f'no end in {a.timeout} s'
        lines = [s[3:] for s in text.splitlines() if s.startswith('@@ ')]
        if code != 0:
            lines.append(f'{name}: ENDED {code} {tail}')
        leaks = any(' LEAK ' in s or ' ENDED ' in s for s in lines)
        for s in lines:
            if not a.each or a.all or not s.split(': ', 1)[-1].startswith('ok'):
                print(s, flush=True)
        return leaks or not lines

    with cf.ThreadPoolExecutor(a.jobs) as ex:
        bad = list(ex.map(unit, a.units))
    print(f'{bad.count(False)} passed, {bad.count(True)} failed')
    return 1 if any(bad) else 0


if __name__ == '__main__':
    if sys.argv[1:2] == ['--child']:
        child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], sys.argv[6])
        sys.exit(0)
    sys.exit(main())

#!/usr/bin/env python3
"""pkgleaks.py NAJA REFERENCE [--rounds 3] [--out DIR] [--table FILE] [--types] PACKAGE...

Runs the tests of distributions (tests/compat/packages.toml) several times in one process, under either interpreter, and
compares what every repetition leaves behind: objects that the collector tracks, by type, and allocated blocks. What the
first repetition leaves is imports and caches; what the later ones leave on Naja and not on the reference is a leak. Two
figures tell: growth that exceeds the reference's in every later repetition by more than SLACK and a tenth of it. The
venvs are kept in DIR (default build/leaks). --types says of which types there are more. Prints `N passed, N failed'.
"""
import argparse
import collections
import contextlib
import gc
import io
import json
import os
import sys
import tomllib

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SLACK = {'objects': 60, 'blocks': 400}


def measure():
    for _ in range(3):
        gc.collect()
    counts = collections.Counter()
    for o in gc.get_objects():
        t = type(o)
        counts[f'{t.__module__}.{t.__qualname__}'] += 1
    return {'objects': counts.total(), 'blocks': sys.getallocatedblocks(), 'types': counts}


def child(spec_path, result_path):
    """In the venv's python, in the folder of the tests: every measurement is written at once, so that none stays."""
    with open(spec_path) as f:
        spec = json.load(f)
    if 'check' in spec:
        code = compile(spec['check'], 'check', 'exec')

        def once():
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, {'__name__': '__main__'})
    else:
        import pytest

        def once():
            pytest.main(['-q', '-p', 'no:cacheprovider', '--color=no', *spec['pytest']])
    for i in range(spec['rounds']):
        once()
        figures = json.dumps(measure())
        with open(result_path, 'a') as f:
            f.write(figures + '\n')
        del figures


def run_side(side, python, name, spec, rounds, out):
    """The measurements of one side, or a text that says why there are none."""
    from compat import install, run
    base = os.path.join(out, side, name)
    work, py = os.path.join(base, 'work'), os.path.join(base, 'venv', 'bin', 'python')
    if not os.path.exists(os.path.join(base, 'installed')):
        r, *_ = install(side, python, name, spec, out)
        if not r['imports']:
            return 'does not install or import'
        with open(os.path.join(base, 'installed'), 'w') as f:
            f.write(r['version'])
    spec = dict(spec, rounds=rounds, pytest=spec.get('leaks', spec.get('pytest')))
    with open(os.path.join(base, 'spec.json'), 'w') as f:
        json.dump(spec, f)
    result = os.path.join(base, 'figures')
    log = os.path.join(base, 'leaks.log')
    for old in (result, log):
        with contextlib.suppress(FileNotFoundError):
            os.remove(old)
    rc = run([py, os.path.abspath(__file__), '--child', os.path.join(base, 'spec.json'), result], log, cwd=work,
             timeout=spec.get('timeout', 600) * rounds, env=spec.get('env'))
    lines = open(result).read().splitlines() if os.path.exists(result) else []
    if len(lines) != rounds:
        return f'ended after {len(lines)} repetitions ({rc}), see {log}'
    return [json.loads(line) for line in lines]


def steps(figures, what):
    values = [f[what] for f in figures]
    return [b - a for a, b in zip(values, values[1:])]


def excess(naja, ref, what):
    """What Naja leaves beyond the reference in each later repetition, None if that is within the noise of some."""
    more = [n - r for n, r in zip(steps(naja, what), steps(ref, what))]
    noise = [SLACK[what] + abs(r) // 10 for r in steps(ref, what)]
    return more if all(m > n for m, n in zip(more, noise)) else None


def types_that_grow(naja, ref):
    def growth(figures):
        return collections.Counter(figures[-1]['types']) - collections.Counter(figures[-2]['types'])
    return (growth(naja) - growth(ref)).most_common(12)


def main():
    if sys.argv[1:2] == ['--child']:
        return child(*sys.argv[2:])
    ap = argparse.ArgumentParser()
    ap.add_argument('naja')
    ap.add_argument('reference')
    ap.add_argument('packages', nargs='+')
    ap.add_argument('--rounds', type=int, default=3)
    ap.add_argument('--out', default=os.path.join(TOP, 'build', 'leaks'))
    ap.add_argument('--table', default='')
    ap.add_argument('--types', action='store_true')
    a = ap.parse_intermixed_args()
    table = tomllib.load(open(os.path.join(TOP, 'tests', 'compat', 'packages.toml'), 'rb'))
    out = os.path.abspath(a.out)
    failed = 0
    for name in a.packages:
        spec = {k: v for k, v in table[name].items() if k != 'reason'}
        sides = {side: run_side(side, os.path.abspath(python), name, spec, a.rounds, out)
                 for side, python in (('ref', a.reference), ('naja', a.naja))}
        wrong = [f'{side}: {s}' for side, s in sides.items() if isinstance(s, str)]
        if wrong:
            failed += 1
            print(f'FAIL {name}: {"; ".join(wrong)}', flush=True)
            continue
        naja, ref = sides['naja'], sides['ref']
        leaks = [f'{what} {more}' for what in SLACK if (more := excess(naja, ref, what))]
        failed += bool(leaks)
        figures = {what: (steps(naja, what), steps(ref, what)) for what in SLACK}
        print(f"{'FAIL' if leaks else 'ok  '} {name}: " +
              ', '.join(f'{what} {n} (reference {r})' for what, (n, r) in figures.items()), flush=True)
        if a.types or leaks:
            for t, n in types_that_grow(naja, ref):
                print(f'    {n:+6} {t}', flush=True)
        version = open(os.path.join(out, 'naja', name, 'installed')).read()
        with open(os.path.join(out, name + '.json'), 'w') as f:
            json.dump({'name': name, 'version': version, 'leaks': bool(leaks), 'figures': figures}, f)
    if a.table:
        write_table(out, a.table)
    print(f'{len(a.packages) - failed} passed, {failed} failed')
    return failed != 0


def write_table(out, path):
    rows = [json.load(open(os.path.join(out, f))) for f in sorted(os.listdir(out), key=str.lower) if f.endswith('.json')]

    def cells(pair):
        return ' | '.join(', '.join(f'{x:+}' for x in side) for side in pair)
    with open(path, 'w') as f:
        f.write('# What tests of packages leave behind\n\nWritten by `tools/pkgleaks.py --table`: the tests of each '
                'distribution run several times in one process; the figures are what\nevery repetition after the first '
                'leaves behind, objects that the collector tracks and allocated blocks.\n'
                f'{sum(not r["leaks"] for r in rows)} of {len(rows)} leave no more than on the reference.\n\n'
                '| distribution | version | objects | on the reference | blocks | on the reference |\n|---|---|---|---|---|---|\n')
        for r in rows:
            f.write(f"| {r['name']} | {r['version']} | {cells(r['figures']['objects'])} | {cells(r['figures']['blocks'])} |\n")


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""sanrun.py NAJA [--class core,types] [--units a,b] [--packages a,b] [--jobs 2] [--timeout 1200] [--out DIR]

Regression units under a sanitizer build (tools/sanitize.sh), one process each, or the pytest tests of distributions
(tests/compat/packages.toml), which stock pip installs into a venv of it; a:PART is a with PART as pytest's arguments. What the sanitizers reported, children
included, lies in DIR/UNIT.PID; printed are the units with reports or without an end, the distinct reports with their
innermost frame in our code, and `N passed, N failed'. Whether cases pass is tools/regr.py's business. Resumable per DIR.
"""
import argparse
import collections
import concurrent.futures as cf
import csv
import glob
import os
import re
import signal
import subprocess
import sys
import tempfile
import tomllib

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def reports(text):
    """(kind, place) of each report in a log."""
    for part in re.split(r'\n(?==+\n==\d+==ERROR)|\n(?=[^\n ]+:\d+:\d+: runtime error)', text):
        m = re.search(r'([\w/.+-]+:\d+):\d+: runtime error: (.*)', part)
        if m:
            yield 'undefined: ' + m[2], re.sub(r'^.*?/(?=src/|tests/)|^(\.\./)+', '', m[1])
            continue
        m = re.search(r'ERROR: AddressSanitizer:? (.*?)(?: on | \(|:|$)', part, re.M)
        if m:
            frames = re.findall(r'#\d+ \S+ in (\S+) (?:\S*?)((?:src|meson)/[\w./-]+:\d+)', part)
            yield m[1], ' < '.join(f'{f} {p}' for f, p in frames[:3])


def package(naja, text, out):
    """How the tests of a distribution are run, and where; it is installed first, once per out."""
    from compat import install
    name, _, part = text.partition(':')
    with open(os.path.join(TOP, 'tests', 'compat', 'packages.toml'), 'rb') as f:
        spec = tomllib.load(f)[name]
    base = os.path.join(out, 'packages', name)
    if not os.path.exists(os.path.join(base, 'installed')):
        r, *_ = install('packages', os.path.abspath(naja), name, spec, out)
        if not r['imports']:
            sys.exit(f'{name} does not install or import, see {base}/log')
        open(os.path.join(base, 'installed'), 'w').close()
    return [os.path.join(base, 'venv', 'bin', 'python'), '-m', 'pytest', '-v', '-p', 'no:cacheprovider',
            *(part.split() if part else spec['pytest'])], os.path.join(base, 'work')


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('naja')
    ap.add_argument('--class', dest='cls', default='')
    ap.add_argument('--units', default='')
    ap.add_argument('--packages', default='')
    ap.add_argument('--jobs', type=int, default=2)
    ap.add_argument('--timeout', type=int, default=1200)
    ap.add_argument('--out', default=os.path.join(TOP, 'build', 'sanrun'))
    a = ap.parse_args()
    # a job in the background ignores SIGINT, and so would the units: some wait for it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out = os.path.abspath(a.out)
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(TOP, 'tests', 'lib', 'classes.tsv'), newline='') as f:
        classes = {r['unit']: r['class'] for r in csv.DictReader(f, delimiter='\t')}
    units = a.units.replace(',', ' ').split() or [u for u in classes if classes[u] in a.cls.split(',')]
    packages = {re.sub(r'[^\w.]+', '_', p): p for p in a.packages.split(',') if p}
    units += packages
    env = {'PATH': os.environ.get('PATH', '/usr/bin:/bin'), 'LANG': 'C.UTF-8', 'TERM': 'xterm', 'HOME': out, 'SHELL': '/bin/sh'}

    def run(unit):
        done = os.path.join(out, unit + '.done')
        if not os.path.exists(done):
            for old in glob.glob(os.path.join(out, unit + '.report.*')):
                os.remove(old)
            log = f'log_path={out}/{unit}.report'
            options = dict(env, ASAN_OPTIONS=f'{log}:detect_leaks=0:allocator_may_return_null=1:handle_segv=0',
                           UBSAN_OPTIONS=f'{log}:print_stacktrace=1')
            args, cwd = [os.path.abspath(a.naja), '-m', 'test', '-v', '-u', 'none', '--timeout', str(a.timeout - 60), unit], None
            if unit in packages:
                os.environ.update({k: v for k, v in options.items() if k.endswith('SAN_OPTIONS')})
                args, cwd = package(a.naja, packages[unit], out)
            with tempfile.TemporaryDirectory(dir=out) as empty, open(os.path.join(out, unit + '.out'), 'wb') as f:
                p = subprocess.Popen(args, cwd=cwd or empty, env=options, stdin=subprocess.DEVNULL, stdout=f,
                                     stderr=subprocess.STDOUT, start_new_session=True)
                try:
                    code = p.wait(a.timeout)
                except subprocess.TimeoutExpired:
                    code = 'no end'
                try:
                    os.killpg(p.pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
                p.wait()
            with open(done, 'w') as f:
                f.write(str(code))
        with open(done) as f:
            code = f.read()
        found = []
        for path in [os.path.join(out, unit + '.out'), *glob.glob(os.path.join(out, unit + '.report.*'))]:
            with open(path, errors='replace') as f:
                found += reports(f.read())
        bad = found or code == 'no end' or code.startswith('-') or int(code) >= 128
        if bad:
            print(f'{unit}: exit {code}, {len(found)} reports', flush=True)
        return bool(bad), unit, found

    with cf.ThreadPoolExecutor(a.jobs) as ex:
        results = list(ex.map(run, units))
    where = collections.defaultdict(set)
    for _, unit, found in results:
        for report in found:
            where[report].add(unit)
    for (kind, place), names in sorted(where.items()):
        print(f'{kind} @ {place} ({", ".join(sorted(names)[:4])})')
    failed = sum(bad for bad, _, _ in results)
    print(f'{len(results) - failed} passed, {failed} failed (details in {out})')
    return 1 if failed else 0


sys.exit(main())

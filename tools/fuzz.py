#!/usr/bin/env python3
"""fuzz.py NAJA [--kind source,ast,marshal] [--count 100000] [--minutes 0] [--seed 0] [--jobs 2] [--out DIR]

Mutated inputs of the kinds of tests/fuzz/worker.py (--kind parsers: all those of tests/fuzz/parsers.py; calls: native
code with odd values, tests/fuzz/calls.py) under NAJA, best a sanitizer build; --count of each kind, or as many as
--minutes of each allow. An input that ends the process is kept in DIR with what was printed; prints
`N passed, N failed' (inputs, failed batches).
"""
import argparse
import concurrent.futures as cf
import itertools
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BATCH = 500
PARSERS = ('re', 'sre', 'pickle', 'json', 'struct', 'xml', 'compress', 'datetime', 'zoneinfo', 'number', 'codecs',
           'csv', 'base', 'unicode', 'sqlite', 'cert', 'tls', 'socket', 'token')


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('naja')
    ap.add_argument('--kind', default='source,ast,marshal')
    ap.add_argument('--count', type=int, default=100000)
    ap.add_argument('--minutes', type=float, default=0)
    ap.add_argument('--seed', type=int, default=0)
    ap.add_argument('--jobs', type=int, default=2)
    ap.add_argument('--out', default=os.path.join(TOP, 'build', 'fuzz'))
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    env = dict(os.environ, UBSAN_OPTIONS='halt_on_error=1:print_stacktrace=1', PYTHONHASHSEED='0', ASAN_OPTIONS=(
        'detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=1000:' + os.environ.get('ASAN_OPTIONS', '')))
    with open(a.naja, 'rb') as f:
        sanitized = b'__asan_init' in f.read()

    def limit():  # a length in the data must not take the machine's memory
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

    def batch(kind, seed):
        with tempfile.TemporaryDirectory() as d:
            last = os.path.join(d, 'last')
            try:
                p = subprocess.run([a.naja, os.path.join(TOP, 'tests', 'fuzz', 'worker.py'), kind, str(seed), str(BATCH),
                                    last], capture_output=True, text=True, errors='replace', env=env, timeout=600,
                                   preexec_fn=None if sanitized else limit)
                code, text = p.returncode, p.stdout + p.stderr
            except subprocess.TimeoutExpired:
                code, text = 'no end', ''
            if code == 0 and p.stdout.endswith(f'done {BATCH}\n') and 'runtime error:' not in text and 'ERROR' not in p.stderr:
                return BATCH, 0
            kept = os.path.join(a.out, f'{kind}-{seed}')
            if os.path.exists(last):
                shutil.copy(last, kept)
            with open(kept + '.log', 'w') as f:
                f.write(f'{code}\n{text}')
            print(f'FAIL {kind} seed {seed}: exit {code}, input in {kept}', flush=True)
            return 0, 1

    kinds = a.kind.replace('parsers', ','.join(PARSERS)).split(',')
    results = []
    with cf.ThreadPoolExecutor(a.jobs) as ex:
        for kind in kinds:
            if a.minutes:
                end = time.monotonic() + a.minutes * 60
                seeds = itertools.takewhile(lambda _: time.monotonic() < end, itertools.count(a.seed))
                lock = threading.Lock()

                def keep_on(_):
                    done = []
                    while True:
                        with lock:
                            seed = next(seeds, None)
                        if seed is None:
                            return done
                        done.append(batch(kind, seed))
                of_kind = [r for rs in ex.map(keep_on, range(a.jobs)) for r in rs]
            else:
                of_kind = list(ex.map(lambda i: batch(kind, a.seed + i), range(a.count // BATCH)))
            print(f'{kind}: {sum(p for p, _ in of_kind)} inputs, {sum(f for _, f in of_kind)} failed', flush=True)
            results += of_kind
    failed = sum(f for _, f in results)
    print(f'{sum(p for p, _ in results)} passed, {failed} failed')
    return 1 if failed else 0


sys.exit(main())

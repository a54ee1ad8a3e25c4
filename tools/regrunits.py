#!/usr/bin/env python3
"""regrunits.py NAJA LIST: runs the regression-test units named in LIST, one process each.

LIST has one unit a line (# begins a comment). A unit passes when its process ends with
exit code 0 within the time limit. `UNIT except METHOD...' names test methods that fall
short, the reason in the comment: the unit passes when no other method fails, and fails when
a method that is named has come to pass. Two run at a time. Prints `N passed, N failed'.
"""
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

LIMIT = 300


def run(naja, line, folder):
    unit, _, rest = line.partition(' except ')
    short = set(rest.split())
    cwd = tempfile.mkdtemp(dir=folder)
    start = time.time()
    env = dict(os.environ, HOME=cwd, LANG='C.UTF-8', PYTHONDONTWRITEBYTECODE='1')
    p = subprocess.Popen([naja, '-m', 'unittest', 'test.' + unit], cwd=cwd, env=env,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors='replace',
                         start_new_session=True)
    try:
        out, _ = p.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        out, _ = p.communicate()
        return unit, f'no end after {LIMIT} s', out, time.time() - start
    ran = re.search(r'^Ran (\d+) tests?', out, re.M)
    failing = set(re.findall(r'^(?:FAIL|ERROR): (\w+) ', out, re.M))
    if short:
        if ran and failing == short and p.returncode == 1:
            return unit, '', out, time.time() - start
        return unit, f'failing methods {sorted(failing)}, listed {sorted(short)}', out, time.time() - start
    if p.returncode == 0 and ran and int(ran[1]) > 0:
        return unit, '', out, time.time() - start
    return unit, f'exit code {p.returncode}', out, time.time() - start


def main():
    naja, listing = sys.argv[1:3]
    # a job in the background ignores SIGINT, and so would the units: some wait for it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    units = [w for w in (line.split('#')[0].strip() for line in open(listing)) if w]
    failed = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as ex:
        for unit, why, out, took in ex.map(lambda u: run(naja, u, folder), units):
            if why:
                failed += 1
                print(f'FAIL {unit}: {why} ({took:.0f} s)\n{out[-1500:]}')
                print(f'  again: {naja} -m unittest test.{unit}')
    print(f'{len(units) - failed} passed, {failed} failed')
    return 1 if failed else 0


sys.exit(main())

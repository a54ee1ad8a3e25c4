#!/usr/bin/env python3
"""testrun.py NAJA DIR [PART | --exit-code-only]: runs the programs below DIR whose path contains PART.

A program says what it must print in comments: `# -> TEXT' at the end of a line or on a
line of its own; together, in order, they are its standard output. `# raises: NAME: TEXT'
says that it ends with that exception (the last line of standard error) and exit code 1.
With --exit-code-only just the programs right in DIR are run: folders in it have needs of their own.
Prints the failures with the command that runs each again, then `N passed, N failed'.
"""
import concurrent.futures
import os
import re
import subprocess
import sys


def expectation(path):
    out, error = [], None
    for line in open(path, encoding='utf-8'):
        if m := re.search(r'# -> ?(.*)$', line.rstrip('\n')):
            out.append(m[1])
        elif m := re.search(r'# raises: (.*)$', line.rstrip('\n')):
            error = m[1]
    return out, error


def run(naja, path, exit_code_only):
    want, error = expectation(path)
    try:
        p = subprocess.run([naja, path], capture_output=True, text=True, timeout=60,
                           stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return 'no end after 60 s'
    got = p.stdout.splitlines()
    if got != want and not exit_code_only:
        for i, (g, w) in enumerate(zip(got + ['<nothing>'] * len(want), want + ['<nothing>'] * len(got))):
            if g != w:
                return f'line {i + 1} of output: got {g!r}, want {w!r}\n{p.stderr[-500:]}'
    last = p.stderr.rstrip().splitlines()[-1:] or ['']
    if error is not None:
        return '' if last[0] == error and p.returncode == 1 else f'got {last[0]!r}, want {error!r}'
    return '' if p.returncode == 0 else f'exit code {p.returncode}\n{p.stderr[-500:]}'


def main():
    naja, root = sys.argv[1:3]
    part = sys.argv[3] if len(sys.argv) > 3 else ''
    exit_code_only = part == '--exit-code-only'
    if exit_code_only:
        part = ''
    paths = sorted(os.path.join(d, f) for d, _, fs in os.walk(root) for f in fs
                   if f.endswith('.py') and part in os.path.join(d, f)
                   and not (exit_code_only and d != root))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as ex:
        for path, why in zip(paths, ex.map(lambda p: run(naja, p, exit_code_only), paths)):
            if why:
                failed += 1
                print(f'FAIL {path}: {why}\n  again: {naja} {path}')
    print(f'{len(paths) - failed} passed, {failed} failed')
    return 1 if failed else 0


sys.exit(main())

#!/usr/bin/env python3
"""run.py NAJA: layouts. Offsets and sizes of offsets.tsv in the given headers and in our frame.h (compiled as assertions),
static types and immortal objects as an extension sees them (check.py). Prints `N passed, N failed'."""
import csv
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, '..', '..')


def assertions(scope):
    with open(os.path.join(HERE, 'offsets.tsv'), newline='') as f:
        for r in csv.DictReader(f, delimiter='\t'):
            if r['scope'] != scope:
                continue
            s, field = r['struct'], r['field']
            if field == '*':
                yield f'_Static_assert(sizeof({s}) == {r["size"]}, "{s} has another size");'
            elif not r['size'].startswith('bits:'):
                yield f'_Static_assert(offsetof({s}, {field}) == {r["offset"]}, "{s}.{field} is elsewhere");'


def main():
    naja = os.path.abspath(sys.argv[1])
    given = os.environ.get('NAJA_INCLUDE') or os.path.join(os.path.dirname(naja), '..', 'include', 'python3.14')
    passed = failed = 0
    with tempfile.TemporaryDirectory() as tmp:
        for scope, includes in (('public', '#include <Python.h>\n#include <datetime.h>\n#include <structmember.h>\n'),
                                ('internal', '#include "nj.h"\n#include "vm/frame.h"\n')):
            lines = list(assertions(scope))
            path = os.path.join(tmp, scope + '.c')
            with open(path, 'w') as f:
                f.write(includes + '#include <stddef.h>\n' + '\n'.join(lines) + '\n')
            p = subprocess.run(['cc', '-std=gnu17', '-fsyntax-only', '-Wno-deprecated-declarations', '-isystem', given,
                                '-I' + os.path.join(TOP, 'src'), path], capture_output=True, text=True)
            errors = re.findall(r'error: (.*)', p.stderr)
            for e in errors:
                print('FAIL', e)
            failed += len(errors) or p.returncode != 0
            passed += max(0, len(lines) - len(errors))
        probe = os.path.join(tmp, 'probe.cpython-314-x86_64-linux-gnu.so')
        subprocess.run(['cc', '-O2', '-shared', '-fPIC', '-isystem', given, '-o', probe, os.path.join(HERE, 'probe.c'), '-ldl'],
                       check=True)
        out = subprocess.run([naja, os.path.join(HERE, 'check.py'), tmp, os.path.join(HERE, 'types.tsv')],
                             capture_output=True, text=True)
        m = re.search(r'^(\d+) passed, (\d+) failed$', out.stdout, re.M)
        print(out.stdout[:m.start()] if m else out.stdout + out.stderr, end='')
        passed, failed = (passed + int(m[1]), failed + int(m[2])) if m else (passed, failed + 1)
    print(f'{passed} passed, {failed} failed')
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""compat.py NAJA REFERENCE [--out DIR] [--table FILE] [PACKAGE...]

For each distribution of tests/compat/packages.toml: a venv of either interpreter, stock pip from the machine's
package index, the imports, and the package's own tests; outcomes are compared case by case. Results are
kept in DIR (default build/compat) as one JSON file a package, and the table of all of them is written to FILE.
Prints the packages that differ and `N passed, N failed'.
"""
import argparse
import concurrent.futures
import fnmatch
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(args, log, cwd=None, timeout=600, env=None):
    """Exit code of a program whose output goes to the file log; -999 when it did not end in time."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith('PYTHON')}
    environment.update(env or {}, PIP_DISABLE_PIP_VERSION_CHECK='1', PYTHONFAULTHANDLER='1')
    with open(log, 'ab') as f:
        p = subprocess.Popen(args, cwd=cwd, stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=environment,
                             start_new_session=True)
        try:
            return p.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            return -999


def index_url():
    found = subprocess.run([sys.executable, '-m', 'pip', 'config', 'get', 'global.index-url'],
                           capture_output=True, text=True).stdout.strip()
    return os.environ.get('PIP_INDEX_URL') or found or 'https://pypi.org/simple'


def fetch_sdist(name, version, folder):
    """Path of the unpacked source archive of a release, downloaded once."""
    final = os.path.join(folder, f'{name}-{version}')
    if os.path.isdir(final):
        return final
    page = f"{index_url().rstrip('/')}/{re.sub('[-_.]+', '-', name).lower()}/"
    text = urllib.request.urlopen(page, timeout=60).read().decode()
    norm = re.sub('[-_.]+', '[-_.]+', name)
    for link in re.findall(r'href="([^"]+)"', text):
        file = urllib.parse.unquote(html.unescape(link).split('#')[0]).rsplit('/', 1)[-1]
        if re.fullmatch(f'{norm}-{re.escape(version)}\\.tar\\.gz', file, re.I):
            os.makedirs(folder, exist_ok=True)
            archive = os.path.join(folder, file)
            with urllib.request.urlopen(urllib.parse.urljoin(page, html.unescape(link)), timeout=300) as r, \
                    open(archive, 'wb') as f:
                shutil.copyfileobj(r, f)
            with tarfile.open(archive) as t:
                t.extractall(final + '.new', filter='data')
            root, = os.listdir(final + '.new')
            os.rename(os.path.join(final + '.new', root), final)
            os.rmdir(final + '.new')
            return final
    raise SystemExit(f'no source archive of {name} {version} in the index')


def outcomes(xml):
    cases = {}
    if os.path.exists(xml):
        for c in ET.parse(xml).getroot().iter('testcase'):
            tags = {x.tag for x in c}
            cases[f"{c.get('classname')}::{c.get('name')}"] = (
                'error' if 'error' in tags else 'fail' if 'failure' in tags else 'skip' if 'skipped' in tags else 'ok')
    return cases


def install(side, python, name, spec, out):
    """Its requirements in a fresh venv: dict(version, install, imports, ...), the folder, the log, the venv's python."""
    base = os.path.join(out, side, name)
    shutil.rmtree(base, ignore_errors=True)
    os.makedirs(base)
    log = os.path.join(base, 'log')
    venv = os.path.join(base, 'venv')
    py = os.path.join(venv, 'bin', 'python')
    r = dict(spec=spec, version='', install=False, imports=False, rc=None, cases={}, output='', wall=0.0)
    if run([python, '-m', 'venv', venv], log) != 0:
        return r, base, log, py
    wanted = spec.get('require', [name]) + (['pytest'] if 'pytest' in spec else []) + spec.get('extra', [])
    if run([py, '-m', 'pip', 'install', '-q', '--prefer-binary', *wanted], log, timeout=1800) != 0:
        return r, base, log, py
    r['install'] = True
    code = f'import importlib.metadata as m; print(m.version({name!r}))'
    r['version'] = subprocess.run([py, '-c', code], capture_output=True, text=True, cwd=base).stdout.strip()
    r['imports'] = run([py, '-c', '\n'.join('import ' + m for m in spec.get('import', []))], log, cwd=base) == 0
    work = os.path.join(base, 'work')
    os.makedirs(work)
    if spec.get('sdist'):
        source = fetch_sdist(name, r['version'], os.path.join(out, 'sdist'))
        for part in spec['sdist']:
            if os.path.isdir(os.path.join(source, part)):
                shutil.copytree(os.path.join(source, part), os.path.join(work, part), symlinks=True)
            elif os.path.exists(os.path.join(source, part)):
                os.makedirs(os.path.dirname(os.path.join(work, part)), exist_ok=True)
                shutil.copy(os.path.join(source, part), os.path.join(work, part))
    return r, base, log, py


def one_side(side, python, name, spec, out):
    """What happened on one side: dict(version, install, imports, rc, cases, output, wall)."""
    r, base, log, py = install(side, python, name, spec, out)
    if not r['install']:
        return r
    work = os.path.join(base, 'work')
    if 'before' in spec and run(['sh', '-ec', spec['before']], log, cwd=work, timeout=120) != 0:
        raise SystemExit(f'{name}: what goes before its tests failed, see {log}')
    start = time.time()
    limit = spec.get('timeout', 600)
    if 'check' in spec:
        p = subprocess.run(['timeout', str(limit), py, '-c', spec['check']], cwd=work, capture_output=True, text=True)
        r['rc'], r['output'] = p.returncode, p.stdout + (p.stderr[-2000:] if p.returncode else '')
    if 'pytest' in spec:
        xml = os.path.join(base, 'junit.xml')
        r['rc'] = run([py, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', f'--junit-xml={xml}', *spec['pytest']],
                      os.path.join(base, 'pytest.log'), cwd=work, timeout=limit, env=spec.get('env'))
        drop = spec.get('unnamed', '(?!)')
        r['cases'] = {re.sub(drop, '', c): o for c, o in outcomes(xml).items()}
    r['wall'] = round(time.time() - start, 1)
    if 'after' in spec:
        run(['sh', '-c', spec['after']], log, cwd=work, timeout=120)
    return r


def verdict(naja, ref):
    """(equal, one line)"""
    if not any(o == 'ok' for o in ref['cases'].values()) and (ref['cases'] or not ref['output'] or ref['rc']):
        return False, 'the reference passes nothing: the entry is wrong'
    if not naja['install']:
        return False, 'does not install'
    if not naja['imports']:
        return False, 'does not import'
    if naja['rc'] == -999:
        return False, 'tests did not end'
    if naja['rc'] is not None and (naja['rc'] < 0 or naja['rc'] >= 128):
        return False, f"crashed ({naja['rc']})"
    if naja['output'] != ref['output']:
        return False, 'output differs'
    bad = [c for c, o in ref['cases'].items() if naja['cases'].get(c, 'missing') != o and o != 'fail' and o != 'error']
    ok = sum(o == 'ok' for o in ref['cases'].values())
    if bad:
        return False, f'{len(bad)} of {len(ref["cases"])} cases differ'
    return True, f'equal ({ok} cases pass)' if ref['cases'] else 'equal'


def reason(spec, case):
    """Why a case differs, by the entry's table of patterns."""
    return next((why for pattern, why in spec.get('reason', {}).items() if fnmatch.fnmatchcase(case, pattern)), '')


def write_table(out, path, table):
    rows = []
    for f in sorted(os.listdir(out), key=str.lower):
        if f.endswith('.json'):
            rows.append(json.load(open(os.path.join(out, f))))
    with open(path, 'w') as f:
        f.write('# Compatibility\n\nWritten by `make compat`: each distribution installed from the package index with '
                'stock pip into a venv of Naja and\nof the reference, imported, and its own tests run on both. A case '
                'that fails on the reference is not counted.\n'
                f'{sum(d["equal"] for d in rows)} of {len(rows)} distributions are equal.\n\n'
                '| distribution | version | installs | imports | tests | outcome |\n|---|---|---|---|---|---|\n')
        for d in rows:
            n, r = d['naja'], d['ref']
            passed = f"{sum(o == 'ok' for o in n['cases'].values())}/{sum(o == 'ok' for o in r['cases'].values())}" \
                if r['cases'] else 'program'
            f.write(f"| {d['name']} | {r['version']} | {'yes' if n['install'] else 'no'} | "
                    f"{'yes' if n['imports'] else 'no'} | {passed} | {d['verdict']} |\n")
        short = [d for d in rows if not d['equal'] and d['differs']]
        if short:
            f.write('\n## Cases that differ\n')
        for d in short:
            f.write(f"\n### {d['name']}\n\n")
            for c, n, r in d['differs'][:60]:
                why = reason(table.get(d['name'], {}), c)
                f.write(f"- `{c}`: {n} (reference: {r}){': ' + why if why else ''}\n")
            if len(d['differs']) > 60:
                f.write(f"- and {len(d['differs']) - 60} more\n")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('naja')
    ap.add_argument('reference')
    ap.add_argument('packages', nargs='*')
    ap.add_argument('--out', default=os.path.join(TOP, 'build', 'compat'))
    ap.add_argument('--table', default='')
    ap.add_argument('--jobs', type=int, default=1)
    a = ap.parse_intermixed_args()
    table = tomllib.load(open(os.path.join(TOP, 'tests', 'compat', 'packages.toml'), 'rb'))
    unknown = [p for p in a.packages if p not in table]
    if unknown:
        raise SystemExit(f"not in tests/compat/packages.toml: {' '.join(unknown)}")
    os.makedirs(a.out, exist_ok=True)

    def work(name):
        spec = {k: v for k, v in table[name].items() if k not in ('reason', 'leaks')}
        kept = os.path.join(a.out, 'ref', name, 'result.json')
        ref = json.load(open(kept)) if os.path.exists(kept) else {}
        if ref.get('spec') != spec:
            ref = one_side('ref', a.reference, name, spec, a.out)
            json.dump(ref, open(kept, 'w'))
        naja = one_side('naja', a.naja, name, spec, a.out)
        equal, line = verdict(naja, ref)
        differs = [(c, naja['cases'].get(c, 'missing'), o) for c, o in ref['cases'].items()
                   if naja['cases'].get(c, 'missing') != o]
        print(f"{'ok  ' if equal else 'FAIL'} {name} {ref['version']}: {line} ({naja['wall']} s, reference {ref['wall']} s)",
              flush=True)
        json.dump(dict(name=name, equal=equal, verdict=line, differs=differs, naja=naja, ref=ref),
                  open(os.path.join(a.out, name + '.json'), 'w'))
        return equal

    with concurrent.futures.ThreadPoolExecutor(a.jobs) as ex:
        results = list(ex.map(work, a.packages or table))
    if a.table:
        write_table(a.out, a.table, table)
    print(f'{sum(results)} passed, {len(results) - sum(results)} failed')
    return 0 if all(results) else 1


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""regr.py PYTHON [--class core,types] [--units a,b] [--jobs 2] [--out DIR] [--timeout 300] [--fail-under PCT]

Runs regression-test units of CPython 3.14 under PYTHON, one process each, and compares them case by case with
tests/lib/cpython-baseline-cases.tsv.gz. Resumable with --out.
Prints units that fall short, then 'PASSED/OK-ON-REFERENCE PCT crashes hangs'.
"""
import argparse, collections, concurrent.futures as cf, csv, gzip, json, os, re, signal, subprocess, sys, tempfile, time
import xml.etree.ElementTree as ET
REF = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests', 'lib')
ap = argparse.ArgumentParser()
ap.add_argument('python'); ap.add_argument('--cls', '--class', dest='cls', default='')
ap.add_argument('--units', default=''); ap.add_argument('--jobs', type=int, default=2)
ap.add_argument('--out', default=''); ap.add_argument('--timeout', type=int, default=300)
ap.add_argument('--noext', action='store_true', help='only cases that need no packaged test extension')
ap.add_argument('--onlyext', action='store_true', help='only cases that need one')
ap.add_argument('--fail-under', type=float, default=0.0); ap.add_argument('--env', default='')
a = ap.parse_args()
want = collections.defaultdict(set)
with gzip.open(os.path.join(REF, 'cpython-baseline-cases.tsv.gz'), 'rt', errors='replace') as f:
    for r in csv.DictReader(f, delimiter='\t', quoting=csv.QUOTE_NONE):
        if r['status'] == 'ok' and not (a.noext and r['needs_test_ext'] == '1') and not (a.onlyext and r['needs_test_ext'] != '1'):
            u = r['unit']; want[u[5:] if u.startswith('test.') else u].add(r['case'])
cls = {r['unit']: r['class'] for r in csv.DictReader(open(os.path.join(REF, 'classes.tsv')), delimiter='\t')}
units = [u for u in cls if want.get(u) and (not a.cls or cls[u] in a.cls.split(',')) and (not a.units or u in a.units.replace(' ', ',').split(','))]
a.python = os.path.abspath(a.python) if os.sep in a.python else a.python
out = os.path.abspath(a.out) if a.out else tempfile.mkdtemp(prefix='regr.'); os.makedirs(out, exist_ok=True)
env = {'PATH': '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', 'LANG': 'C.UTF-8', 'TERM': 'xterm', 'SHELL': '/bin/sh',
       'USER': 'root', 'LOGNAME': 'root', 'HOME': out}
for kv in filter(None, a.env.split(',')): k, v = kv.split('=', 1); env[k] = v

# a job in the background ignores SIGINT, and so would the units: some wait for it
signal.signal(signal.SIGINT, signal.default_int_handler)

def run(u):
    j = os.path.join(out, u + '.json')
    if os.path.exists(j): return json.load(open(j))
    cwd = tempfile.mkdtemp(prefix='u.', dir=out); xml = os.path.join(out, u + '.xml'); log = os.path.join(out, u + '.out')
    name = 'test.' + u if '.' in u else u
    killed = False; t = time.time()
    with open(log, 'wb') as f:
        p = subprocess.Popen([a.python, '-m', 'test', '-v', '--timeout', str(a.timeout - 10), '--junit-xml', xml, '-u', 'none', name],
                             stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT, env=env, cwd=cwd, start_new_session=True)
        try: p.wait(a.timeout)
        except subprocess.TimeoutExpired:
            killed = True
            try: os.killpg(p.pid, signal.SIGKILL)
            except ProcessLookupError: pass
            p.wait()
    try: os.killpg(p.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError): pass
    got = {}
    text = open(log, errors='replace').read()
    if os.path.exists(xml):
        try:
            for t_ in ET.parse(xml).getroot().iter('testcase'):
                tags = {x.tag for x in t_}
                got[t_.get('name')] = ('error' if 'error' in tags else 'fail' if 'failure' in tags else 'skip' if 'skipped' in tags else 'ok')
        except ET.ParseError: pass
    if not got:
        for m in re.finditer(r'^(\w+) \(([\w.]+)\)(?:\n[^\n]*?)? \.\.\. (ok|FAIL|ERROR|skipped)', text, re.M):
            got[m.group(2)] = {'ok': 'ok', 'FAIL': 'fail', 'ERROR': 'error', 'skipped': 'skip'}[m.group(3)]
    crash = p.returncode is not None and (p.returncode < 0 or p.returncode >= 128) and not killed
    w = want.get(u, set())
    d = dict(unit=u, cls=cls[u], want=len(w), ok=sum(got.get(c) == 'ok' for c in w), rc=p.returncode, killed=killed or 'Timeout (0:' in text,
             crash=crash, wall=round(time.time() - t, 1), missing=sorted(c for c in w if got.get(c) != 'ok')[:400])
    json.dump(d, open(j, 'w')); subprocess.run(['rm', '-rf', cwd]); return d

with cf.ThreadPoolExecutor(a.jobs) as ex: res = list(ex.map(run, units))
tot = collections.Counter(); by = collections.defaultdict(collections.Counter)
for d in res:
    for c in (tot, by[d['cls']]):
        c['want'] += d['want']; c['ok'] += d['ok']; c['crash'] += d['crash']; c['hang'] += d['killed']; c['full'] += d['ok'] == d['want'] and not d['crash'] and not d['killed']; c['n'] += 1
    if d['ok'] < d['want'] or d['crash'] or d['killed']:
        print(f"{d['unit']:44} {d['ok']}/{d['want']}{' CRASH' if d['crash'] else ''}{' HANG' if d['killed'] else ''} rc={d['rc']}")
for k, c in sorted(by.items()): print(f"# {k:10} {c['ok']}/{c['want']} = {100*c['ok']/max(1,c['want']):.2f}%  units {c['full']}/{c['n']} crash {c['crash']} hang {c['hang']}")
pct = 100 * tot['ok'] / max(1, tot['want'])
print(f"{tot['ok']}/{tot['want']} = {pct:.2f}%  units full {tot['full']}/{tot['n']}  crashes {tot['crash']}  hangs {tot['hang']}  (details in {out})")
sys.exit(0 if pct >= a.fail_under and not (a.fail_under and (tot['crash'] or tot['hang'])) else 1)

"""worker.py KIND SEED COUNT LAST: runs COUNT mutated inputs of a kind; each is written to the file LAST before it is tried.

Run by tools/fuzz.py under the interpreter that is tested. Kinds: source (compile of mutated test-suite sources),
ast (ast.parse, unparse, compile of a mutated tree), marshal (loads of mutated data), and those of parsers.py. Only
exceptions may come out; what takes longer than a few seconds is given up by a signal (a long match honours it).
"""
import ast
import glob
import marshal
import os
import random
import signal
import sys
import warnings

import calls
import parsers

kind, seed, count, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
rng = random.Random(seed)
warnings.simplefilter('ignore')
sys.unraisablehook = lambda unraisable: None  # of callbacks; one must not drown the report
lib = os.path.dirname(os.__file__)
files = sorted(glob.glob(lib + '/test/*.py') + glob.glob(lib + '/*.py'))
TOKENS = ('( ) [ ] { } : , ; . = == -> := * ** @ + - / // % & | ^ ~ < > <= != ... f" t" f\'\'\' " \'\'\' \\ \n \n\t '
          'def class lambda if else elif while for in is not and or try except* finally with as async await yield '
          'return raise match case type import from global nonlocal del pass break continue None True __debug__ '
          '0x 1e999 1_0 0b2 1j b"\\x" r"" {x!r:>{w}} {= \0 é 𝐱 \ufeff # # type: ignore print').split(' ')


def snippet():
    with open(rng.choice(files), encoding='utf-8', errors='replace') as f:
        lines = f.readlines()
    if not lines:
        return 'x = 1\n'
    start = rng.randrange(len(lines))
    part = lines[start:start + rng.randrange(1, 40)]
    indent = min((len(s) - len(s.lstrip()) for s in part if s.strip()), default=0)
    return ''.join(s[indent:] if s.strip() else s for s in part)


def mutate(text):
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(text) + 1)
        to = min(len(text), at + rng.choice((0, 1, 1, 2, 5, 20)))
        how = rng.randrange(6)
        if how == 0:
            text = text[:at] + text[to:]
        elif how == 1:
            text = text[:at] + rng.choice(TOKENS) + text[to:]
        elif how == 2:
            text = text[:at] + ' ' + rng.choice(TOKENS) + ' ' + text[at:]
        elif how == 3:
            text = text[:at] + text[at:to] * rng.choice((2, 3, 50)) + text[to:]
        elif how == 4:
            other = snippet()
            cut = rng.randrange(len(other) + 1)
            text = text[:at] + other[cut:cut + 30] + text[to:]
        else:
            text = text[:at] + rng.choice('([{') * rng.choice((1, 5, 300)) + text[at:]
    return text


def remember(data):
    with open(last, 'wb') as f:
        f.write(data)


def run_source():
    text = mutate(snippet())
    data = text.encode('utf-8', 'surrogatepass')
    if rng.random() < 0.05:
        cut = rng.randrange(len(data) + 1)
        data = data[:cut] + bytes([rng.randrange(256)]) + data[cut:]
    remember(data)
    given = data if rng.random() < 0.5 else text
    compile(given, 'fuzz', rng.choice(('exec', 'exec', 'exec', 'eval', 'single')), rng.choice((0, 0, ast.PyCF_ONLY_AST)),
            optimize=rng.choice((0, 1, 2)))


def run_ast():
    try:
        tree = ast.parse(snippet())
    except SyntaxError:
        return
    nodes = list(ast.walk(tree))
    for _ in range(rng.choice((1, 2, 5))):
        node, other = rng.choice(nodes), rng.choice(nodes)
        if node._fields:
            field = rng.choice(node._fields)
            value = rng.choice((None, other, [other], 1, 'x', [], rng.choice(nodes), -1, b'', 1.5, [None]))
            if value is not tree:
                setattr(node, field, value)
    remember(b'seed %d' % seed)
    compile(tree, 'fuzz', 'exec')


def run_marshal():
    try:
        data = bytearray(marshal.dumps(compile(snippet(), 'fuzz', 'exec')))
    except SyntaxError:
        return
    for _ in range(rng.choice((1, 2, 4))):
        at = rng.randrange(len(data))
        how = rng.randrange(3)
        if how == 0:
            data[at] = rng.randrange(256)
        elif how == 1:
            del data[at:at + rng.choice((1, 4))]
        else:
            data[at:at] = bytes(rng.randrange(256) for _ in range(4))
        if not data:
            break
    remember(bytes(data))
    marshal.loads(bytes(data))


def give_up(signum, frame):
    raise TimeoutError


signal.signal(signal.SIGALRM, give_up)
ones = {'source': run_source, 'ast': run_ast, 'marshal': run_marshal}
others = dict(parsers.KINDS, calls=calls.run_calls)
one = ones.get(kind) or (lambda: others[kind](rng, remember))
for i in range(count):
    try:
        try:
            if kind in others:
                signal.setitimer(signal.ITIMER_REAL, 3)
            one()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Exception:
        pass
print('done', count)

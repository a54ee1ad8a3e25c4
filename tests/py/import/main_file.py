# A file that runs as __main__ has a __file__ while it runs: not for excepthook, not at the exit, not after -i.
import subprocess
import sys
import tempfile

HEAD = '''
import atexit, sys
def tell(*args):
    print(len(args), '__file__' in globals(), '__cached__' in globals(), flush=True)
sys.excepthook = tell
atexit.register(tell)
tell()
'''
for last in '', '1/0\n', 'raise SystemExit(3)\n', 'sys.exit("text")\n':
    with tempfile.NamedTemporaryFile('w', suffix='.py') as f:
        f.write(HEAD + last)
        f.flush()
        p = subprocess.run([sys.executable, f.name], capture_output=True, text=True)
        print(repr(last), p.returncode, p.stdout.split('\n')[:-1], repr(p.stderr))
with tempfile.NamedTemporaryFile('w', suffix='.py') as f:
    f.write('1\n')
    f.flush()
    p = subprocess.run([sys.executable, '-i', f.name], input='print("__file__" in globals())\n', capture_output=True, text=True)
    print(p.returncode, p.stdout)

# -> '' 0 ['0 True True', '0 False False'] ''
# -> '1/0\n' 1 ['0 True True', '3 False False', '0 False False'] ''
# -> 'raise SystemExit(3)\n' 3 ['0 True True', '0 False False'] ''
# -> 'sys.exit("text")\n' 1 ['0 True True', '0 False False'] 'text\n'
# -> 0 False
# ->

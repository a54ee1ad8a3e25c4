# An exception survives that there is no memory for its traceback entry.
import os
import subprocess
import sys

SCRIPT = """
import _testcapi
import sys

class Plain:
    pass

class Catch:
    def get(self, key):
        try:
            o = self.data
        except AttributeError:
            o = None
        return o

c = Catch()
for n in range(1, 30):
    k = Plain()
    e = None
    print(n, file=sys.stderr, flush=True)
    _testcapi.set_nomemory(n, n + 1)
    try:
        c.get(5)
    except BaseException as x:
        e = x
    _testcapi.remove_mem_hooks()
    print(repr(e), file=sys.stderr, flush=True)
    k = None
"""

try:
    import _testcapi
except ImportError:
    print(0)
else:
    env = dict(os.environ, PYTHONMALLOC='malloc')
    print(subprocess.run([sys.executable, '-c', SCRIPT], env=env,
                         stderr=subprocess.DEVNULL).returncode)
# -> 0

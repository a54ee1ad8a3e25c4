"""What an interpreter had goes with it: the memory of the process does not grow with ended ones."""
import gc
from concurrent import interpreters


def resident():
    gc.collect()
    with open('/proc/self/statm') as f:
        return int(f.read().split()[1])


def rounds(code, n):
    for _ in range(n):
        interp = interpreters.create()
        interp.exec(code)
        interp.close()


for code in ('pass', 'import ast', 'import decimal, json, pickle'):
    rounds(code, 3)
    before = resident()
    rounds(code, 8)
    print(code, max(resident() - before, 0) // 256)

# -> pass 0
# -> import ast 0
# -> import decimal, json, pickle 0

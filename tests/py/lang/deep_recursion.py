# Calls between Python functions do not use the C stack.
import sys
sys.setrecursionlimit(300_000)
def down(n): return 0 if n == 0 else 1 + down(n - 1)
print(down(250_000))
sys.setrecursionlimit(1000)
try:
    down(5000)
except RecursionError as e:
    print(type(e).__name__, str(e)[:32])

# -> 250000
# -> RecursionError maximum recursion depth exceeded

"""f_locals of a frame that has ended belongs to that frame: looking makes no second frame object."""
import sys


def make():
    x = 1
    return sys._getframe()


def look(n):
    for _ in range(n):
        frame = make()
        assert frame.f_locals['x'] == 1


look(10)
before = sys.getallocatedblocks()
look(1000)
print('grown by', (sys.getallocatedblocks() - before) // 100)
# -> grown by 0

frame = make()
frame.f_locals['y'] = 2
print(frame.f_locals['y'], frame.f_locals == {'x': 1, 'y': 2})
# -> 2 True

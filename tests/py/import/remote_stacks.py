"""Stacks of another process, and what its tasks wait for."""
import subprocess
import sys

from _remote_debugging import RemoteUnwinder

CHILD = '''
import asyncio, sys, threading
class Box:
    def __init__(self, f): f()
def worker():
    Box(lambda: done.wait())
def inner():
    print('ready', flush=True); sys.stdin.read()
async def leaf():
    await asyncio.sleep(0)
    inner()
async def waits(task):
    await task
async def main():
    async with asyncio.TaskGroup() as tg:
        task = tg.create_task(leaf(), name='leaf')
        tg.create_task(waits(task), name='first')
        tg.create_task(waits(task))
        tg.create_task(asyncio.sleep(1000), name='sleeper')
done = threading.Event()
threading.Thread(target=worker, name='worker', daemon=True).start()
asyncio.run(main())
'''


def names(frames):
    return [(f.funcname, f.lineno) for f in frames if f.filename == '<string>']


with subprocess.Popen([sys.executable, '-c', CHILD], stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE) as child:
    child.stdout.readline()
    try:
        u = RemoteUnwinder(child.pid)
        (main,) = u.get_stack_trace()
        print(main.thread_id == child.pid, names(main.frame_info))
        stacks = RemoteUnwinder(child.pid, all_threads=True).get_stack_trace()
        print(sorted(names(t.frame_info) for t in stacks))
        print(RemoteUnwinder(child.pid, only_active_thread=True).get_stack_trace())
        everything, rest = u.get_all_awaited_by()
        print(rest)
        by_id = {t.task_id: t.task_name for t in everything.awaited_by}
        for t in everything.awaited_by:
            print(t.task_name, [names(c.call_stack) for c in t.coroutine_stack],
                  sorted((by_id[c.task_name], names(c.call_stack)) for c in t.awaited_by))
        (running,) = u.get_async_stack_trace()
        print(running.awaited_by[0].task_name,
              names(running.awaited_by[0].coroutine_stack[0].call_stack),
              sorted({t.task_name for t in running.awaited_by}))
    finally:
        child.stdin.close()
        child.kill()

for args, kw in ((('x',), {}), ((2**22 + 1,), {}),
                 ((1,), dict(all_threads=True, only_active_thread=True))):
    try:
        RemoteUnwinder(*args, **kw)
    except Exception as e:
        print(type(e).__name__, e)

# -> True [('inner', 8), ('leaf', 11)]
# -> [[('inner', 8), ('leaf', 11)], [('worker.<locals>.<lambda>', 6), ('Box.__init__', 4)]]
# -> []
# -> _remote_debugging.AwaitedInfo(thread_id=0, awaited_by=[])
# -> Task-1 [[('main', 15)]] []
# -> leaf [[('leaf', 11)]] [('Task-1', [('main', 15)]), ('Task-2', [('waits', 13)]), ('first', [('waits', 13)])]
# -> first [[('waits', 13)]] [('Task-1', [('main', 15)])]
# -> Task-2 [[('waits', 13)]] [('Task-1', [('main', 15)])]
# -> sleeper [[]] [('Task-1', [('main', 15)])]
# -> leaf [('inner', 8), ('leaf', 11)] ['Task-1', 'Task-2', 'first', 'leaf']
# -> TypeError 'str' object cannot be interpreted as an integer
# -> RuntimeError Failed to find the PyRuntime section in process 4194305 on Linux platform
# -> ValueError all_threads and only_active_thread cannot both be True

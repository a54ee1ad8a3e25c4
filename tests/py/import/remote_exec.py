import os
import signal
import subprocess
import sys
import tempfile
import threading

TARGET = '''
print('ready', flush=True)
input()
for i in range(100):
    pass
print('end')
'''


def run_there(script, *options):
    with subprocess.Popen([sys.executable, *options, '-c', TARGET], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        p.stdout.readline()
        try:
            sys.remote_exec(p.pid, script)
        except Exception as e:
            print(type(e).__name__, e)
        out, err = p.communicate('go\n')
        print(out.split('\n')[:-1], err.split('\n')[:-1][-1:])


with tempfile.TemporaryDirectory() as d:
    script = os.path.join(d, 'skript-ü.py')
    with open(script, 'w') as f:
        f.write('import threading\n'
                'print(sorted(globals()), threading.current_thread() is threading.main_thread())\n')
    run_there(script)
    run_there(os.fsencode(script))
    run_there(script, '-X', 'disable-remote-debug')
    with open(script, 'w') as f:
        f.write('1 / 0')
    run_there(script)

    # This process, also asked from another of its threads.
    with open(script, 'w') as f:
        f.write('import __main__\n__main__.seen += 1')
    seen = 0
    sys.remote_exec(os.getpid(), script)
    print(seen)
    t = threading.Thread(target=sys.remote_exec, args=(os.getpid(), script))
    t.start()
    t.join()
    print(seen)

    # A bit stored from outside may take others along: nothing that was asked for gets lost.
    stop = False

    def ask():
        while not stop:
            sys.remote_exec(os.getpid(), script)
    t = threading.Thread(target=ask)
    t.start()
    got = 0

    def on_signal(*args):
        global got
        got += 1
    signal.signal(signal.SIGUSR1, on_signal)
    for i in range(300):
        signal.raise_signal(signal.SIGUSR1)
    stop = True
    t.join()
    print(got, seen > 2)

    for args in [(os.getpid(), os.path.join(d, 'none')), (os.getpid(), 5), ('x', script), (2 ** 31, script)]:
        try:
            sys.remote_exec(*args)
        except Exception as e:
            print(type(e).__name__, e)
print(sys.is_remote_debug_enabled())

# -> ["['__builtins__', 'threading'] True", 'end'] []
# -> ["['__builtins__', 'threading'] True", 'end'] []
# -> RuntimeError Remote debugging is not enabled in the remote process
# -> ['end'] []
# -> ['end'] ['ZeroDivisionError: division by zero']
# -> 1
# -> 2
# -> 300 True
# -> FileNotFoundError Script file does not exist
# -> TypeError expected str, bytes or os.PathLike object, not int
# -> TypeError 'str' object cannot be interpreted as an integer
# -> OverflowError Python int too large to convert to C int
# -> True

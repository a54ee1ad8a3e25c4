# The standard files are flushed after the program and when no other thread runs any more.
import subprocess, sys
start = '''
import sys
flush = sys.stderr.flush
def f():
    sys.stdout.write(f'flush {sys.is_finalizing()}\\n')
    flush()
sys.stderr.flush = f
'''
for end in ('sys.exit(1)', 'sys.exit()', '3', 'sys.exit("text")'):
    for how in (['-c', start + end], ['-']):
        p = subprocess.run([sys.executable, *how], input=start + end, capture_output=True,
                           text=True)
        print(end, p.returncode, p.stdout.split('\n'), p.stderr.split('\n'))

# -> sys.exit(1) 1 ['flush True', ''] ['']
# -> sys.exit(1) 1 ['flush False', 'flush True', ''] ['']
# -> sys.exit() 0 ['flush True', ''] ['']
# -> sys.exit() 0 ['flush False', 'flush True', ''] ['']
# -> 3 0 ['flush True', ''] ['']
# -> 3 0 ['flush False', 'flush True', ''] ['']
# -> sys.exit("text") 1 ['flush True', ''] ['text', '']
# -> sys.exit("text") 1 ['flush False', 'flush True', ''] ['text', '']

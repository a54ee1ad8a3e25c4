import readline
import sys
from test.support.pty_helper import run_pty


def typed(code, keys):
    out = run_pty(code, keys, env={'TERM': 'dumb', 'INPUTRC': '/dev/null', 'LC_ALL': 'C.UTF-8',
                                   'PATH': '/usr/bin:/bin'})
    return out.decode().replace('\r\n', '\n').splitlines()[-1]


# What input() says at the end of the input, with and without line editing.
eof = 'try:\n    input()\nexcept EOFError:\n    print("\\n" + repr(input()))'
print(typed(eof, b'\x04a\r'), typed('import readline\n' + eof, b'\x04a\r'))

# A program that asks for a line while a line is asked for.
inner = '''
def hook(*args):
    global got
    try:
        input()
    except RuntimeError as e:
        got = e
'''
print(typed(inner + 'import readline\nreadline.set_startup_hook(hook)\ninput()\nprint(repr(got))', b'a\r'))

# Words are completed by the function alone; errors of it are nobody's.
print(typed('''import readline
readline.parse_and_bind('tab: complete')
readline.set_completer(lambda text, n: [text + '\\xfc', 5, 1 / 0][n])
print('\\n' + input())''', b'x \xc3\xa4\t.\r'))
print(typed('''import readline
readline.set_completer(lambda text, n: [text, 'xb', None][n] if text else 1 / 0)
readline.parse_and_bind('tab: complete')
def show(*args): global shown; shown = args
readline.set_completion_display_matches_hook(show)
input()
print(shown)''', b'x\t\t\r'))

# The module cmd, and a line put together from hooks and the history.
print(typed('''import cmd
class Shell(cmd.Cmd):
    def do_greet(self, arg): self.greeted = arg
    def do_quit(self, arg): return print() or print(self.greeted) or True
    def complete_greet(self, text, line, begin, end): return [text + f'({begin},{end})']
Shell().cmdloop()''', b'gree\t a\t\rquit\r').strip())
print(typed('''import readline
readline.add_history('before')
readline.set_pre_input_hook(lambda: readline.insert_text('<'))
a = input()
b = input()
print([readline.get_history_item(i) for i in range(4)], a, b)''', b'same\r\x10\r'))

for call in ('remove_history_item(7)', 'replace_history_item(-1, "")', 'add_history(1)',
             'set_completer(1)', 'append_history_file(-1)', 'read_history_file("/no/where")'):
    try:
        eval('readline.' + call)
    except Exception as e:
        print(type(e).__name__, e)
print(readline.backend, repr(readline.get_completer_delims()))

# -> 'a' a
# -> RuntimeError("can't re-enter readline")
# -> x ä.
# -> ('x', ['x', 'xb'], 2)
# -> a(6,7)
# -> [None, 'before', '<same', None] <same <same
# -> ValueError No history item at position 7
# -> ValueError History index cannot be negative
# -> TypeError bad argument type for built-in operation
# -> TypeError set_completer(func): argument not callable
# -> ValueError nelements must be non-negative
# -> FileNotFoundError [Errno 2] No such file or directory
# -> readline ' \t\n`~!@#$%^&*()-=+[{]}\\|;:\'",<>/?'

"""Statements that the C API reads one by one from a file: names, the end of the file, where it is told."""
import ctypes
import io
import sys

libc = ctypes.CDLL(None)
libc.fmemopen.restype = ctypes.c_void_p


def run(function, name, text):
    file = ctypes.c_void_p(libc.fmemopen(ctypes.c_char_p(text), ctypes.c_size_t(len(text)), b'r'))
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    try:
        result = getattr(ctypes.pythonapi, function)(file, name, None)
        told = sys.stdout.getvalue(), sys.stderr.getvalue()
    finally:
        sys.stdout, sys.stderr = out, err
        libc.fclose(file)
    print(function, name, text, result, told[0].encode(), [line for line in told[1].split('\n') if 'File' in line or not line])


for name in (b'file', b'<name>', b'<stdin>'):
    for function in ('PyRun_InteractiveOneFlags', 'PyRun_InteractiveLoopFlags'):
        for text in (b'1+1\n', b'x = 1\nx\n', b'nosuch\n', b'(\n', b'def f():\n  pass\n\n1/0\n', b'\n', b'1', b'"'):
            run(function, name, text)

# -> PyRun_InteractiveOneFlags b'file' b'1+1\n' 0 b'2\n' ['']
# -> PyRun_InteractiveOneFlags b'file' b'x = 1\nx\n' 0 b'' ['']
# -> PyRun_InteractiveOneFlags b'file' b'nosuch\n' -1 b'' ['  File "file-2", line 1, in <module>', '']
# -> PyRun_InteractiveOneFlags b'file' b'(\n' -1 b'' ['', '  File "file", line 1', '']
# -> PyRun_InteractiveOneFlags b'file' b'def f():\n  pass\n\n1/0\n' 0 b'' ['']
# -> PyRun_InteractiveOneFlags b'file' b'\n' 0 b'' ['']
# -> PyRun_InteractiveOneFlags b'file' b'1' 0 b'1\n' ['', '']
# -> PyRun_InteractiveOneFlags b'file' b'"' -1 b'' ['', '  File "file", line 1', '']
# -> PyRun_InteractiveLoopFlags b'file' b'1+1\n' 0 b'2\n' ['', '']
# -> PyRun_InteractiveLoopFlags b'file' b'x = 1\nx\n' 0 b'1\n' ['', '']
# -> PyRun_InteractiveLoopFlags b'file' b'nosuch\n' 0 b'' ['  File "file-9", line 1, in <module>', '', '']
# -> PyRun_InteractiveLoopFlags b'file' b'(\n' 0 b'' ['', '  File "file", line 1', '', '']
# -> PyRun_InteractiveLoopFlags b'file' b'def f():\n  pass\n\n1/0\n' 0 b'' ['  File "file-11", line 1, in <module>', '', '']
# -> PyRun_InteractiveLoopFlags b'file' b'\n' 0 b'' ['', '']
# -> PyRun_InteractiveLoopFlags b'file' b'1' 0 b'1\n' ['', '', '']
# -> PyRun_InteractiveLoopFlags b'file' b'"' 0 b'' ['', '  File "file", line 1', '', '']
# -> PyRun_InteractiveOneFlags b'<name>' b'1+1\n' 0 b'2\n' ['']
# -> PyRun_InteractiveOneFlags b'<name>' b'x = 1\nx\n' 0 b'' ['']
# -> PyRun_InteractiveOneFlags b'<name>' b'nosuch\n' -1 b'' ['  File "<name-16>", line 1, in <module>', '']
# -> PyRun_InteractiveOneFlags b'<name>' b'(\n' -1 b'' ['', '  File "<name>", line 1', '']
# -> PyRun_InteractiveOneFlags b'<name>' b'def f():\n  pass\n\n1/0\n' 0 b'' ['']
# -> PyRun_InteractiveOneFlags b'<name>' b'\n' 0 b'' ['']
# -> PyRun_InteractiveOneFlags b'<name>' b'1' 0 b'1\n' ['', '']
# -> PyRun_InteractiveOneFlags b'<name>' b'"' -1 b'' ['', '  File "<name>", line 1', '']
# -> PyRun_InteractiveLoopFlags b'<name>' b'1+1\n' 0 b'2\n' ['', '']
# -> PyRun_InteractiveLoopFlags b'<name>' b'x = 1\nx\n' 0 b'1\n' ['', '']
# -> PyRun_InteractiveLoopFlags b'<name>' b'nosuch\n' 0 b'' ['  File "<name-23>", line 1, in <module>', '', '']
# -> PyRun_InteractiveLoopFlags b'<name>' b'(\n' 0 b'' ['', '  File "<name>", line 1', '', '']
# -> PyRun_InteractiveLoopFlags b'<name>' b'def f():\n  pass\n\n1/0\n' 0 b'' ['  File "<name-25>", line 1, in <module>', '', '']
# -> PyRun_InteractiveLoopFlags b'<name>' b'\n' 0 b'' ['', '']
# -> PyRun_InteractiveLoopFlags b'<name>' b'1' 0 b'1\n' ['', '', '']
# -> PyRun_InteractiveLoopFlags b'<name>' b'"' 0 b'' ['', '  File "<name>", line 1', '', '']
# -> PyRun_InteractiveOneFlags b'<stdin>' b'1+1\n' 0 b'2\n' ['']
# -> PyRun_InteractiveOneFlags b'<stdin>' b'x = 1\nx\n' 0 b'' ['']
# -> PyRun_InteractiveOneFlags b'<stdin>' b'nosuch\n' -1 b'' ['  File "<stdin>", line 1, in <module>', '']
# -> PyRun_InteractiveOneFlags b'<stdin>' b'(\n' -1 b'' ['', '  File "<stdin>", line 1', '']
# -> PyRun_InteractiveOneFlags b'<stdin>' b'def f():\n  pass\n\n1/0\n' 0 b'' ['']
# -> PyRun_InteractiveOneFlags b'<stdin>' b'\n' 0 b'' ['']
# -> PyRun_InteractiveOneFlags b'<stdin>' b'1' 0 b'1\n' ['', '']
# -> PyRun_InteractiveOneFlags b'<stdin>' b'"' -1 b'' ['', '  File "<stdin>", line 1', '']
# -> PyRun_InteractiveLoopFlags b'<stdin>' b'1+1\n' 0 b'2\n' ['', '']
# -> PyRun_InteractiveLoopFlags b'<stdin>' b'x = 1\nx\n' 0 b'1\n' ['', '']
# -> PyRun_InteractiveLoopFlags b'<stdin>' b'nosuch\n' 0 b'' ['  File "<stdin>", line 1, in <module>', '', '']
# -> PyRun_InteractiveLoopFlags b'<stdin>' b'(\n' 0 b'' ['', '  File "<stdin>", line 1', '', '']
# -> PyRun_InteractiveLoopFlags b'<stdin>' b'def f():\n  pass\n\n1/0\n' 0 b'' ['  File "<stdin>", line 1, in <module>', '', '']
# -> PyRun_InteractiveLoopFlags b'<stdin>' b'\n' 0 b'' ['', '']
# -> PyRun_InteractiveLoopFlags b'<stdin>' b'1' 0 b'1\n' ['', '', '']
# -> PyRun_InteractiveLoopFlags b'<stdin>' b'"' 0 b'' ['', '  File "<stdin>", line 1', '', '']

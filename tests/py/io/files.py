import io
import os
import tempfile
with tempfile.TemporaryDirectory() as d:
    p = os.path.join(d, 'f.txt')
    with open(p, 'w', encoding='utf-8', newline='\r\n') as f:
        print('zeile 1', 'ü', file=f, sep='|')
        f.writelines(['b\n', 'c'])
    with open(p, 'rb') as f:
        print(f.read(), f.seek(2), f.read(3), f.tell())
    with open(p, encoding='utf-8') as f:
        print(f.readline(), list(f), repr(f.newlines))
    with open(p, 'r+b') as f:
        f.write(b'ZZ')
        f.seek(0, 2)
        f.write(b'!')
    print(open(p, 'rb').read(4), os.path.getsize(p), os.listdir(d), sorted(e.name for e in os.scandir(d)))
    try:
        open(os.path.join(d, 'none'))
    except FileNotFoundError as e:
        print(e.errno, e.strerror)
b = io.BytesIO(b'abc\ndef')
print(b.readline(), b.read(1), b.getvalue(), b.seek(-1, 2), b.read())
s = io.StringIO('x\ny')
print(s.readlines(), s.tell(), s.write('!'), repr(s.getvalue()))

# -> b'zeile 1|\xc3\xbc\r\nb\r\nc' 2 b'ile' 5
# -> zeile 1|ü
# ->  ['b\n', 'c'] '\r\n'
# -> b'ZZil' 17 ['f.txt'] ['f.txt']
# -> 2 No such file or directory
# -> b'abc\n' b'd' b'abc\ndef' 6 b'f'
# -> ['x\n', 'y'] 3 1 'x\ny!'

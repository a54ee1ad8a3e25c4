"""What debuggers and profilers read of a process from outside: the offsets in _PyRuntime."""
import ctypes
import os
import sys
import tempfile
import threading

import _testinternalcapi

RUNTIME = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, '_PyRuntime'))


def word(address):
    return ctypes.c_uint64.from_address(address).value


def offset(at):
    return word(RUNTIME + at)


def text(address):
    return ctypes.cast(address, ctypes.py_object).value


print(ctypes.string_at(RUNTIME, 8), offset(8) == sys.hexversion, offset(16), offset(24))
interp = word(RUNTIME + offset(40))
print(word(interp + offset(56)), word(interp + offset(64)))
print(word(interp + offset(96)) == id(sys.modules), word(interp + offset(104)) == id(sys.__dict__))
thread = word(interp + offset(80))
print(thread == word(interp + offset(72)), thread == word(interp + 7344))
print(word(thread + offset(224 - 8)) == threading.get_ident(),
      word(thread + offset(224)) == threading.get_native_id())
gil = word(interp + offset(120))
print(word(gil + offset(152) - offset(128)) == thread, gil == interp + offset(128))


def names():
    """Of the functions that run, innermost first."""
    frame = word(thread + offset(208))
    found = []
    while frame:
        if ctypes.c_char.from_address(frame + offset(288)).value < b'\3':
            code = word(frame + offset(264)) & ~3
            found.append(text(word(code + offset(328))))
        frame = word(frame + offset(256))
    return found


def calls_names():
    return names()


print(calls_names())

generation = word(interp + offset(160))
exec('def fresh(): pass\ndel fresh')
print(word(interp + offset(160)) > generation)

# another thread is in the list
ready, go = threading.Event(), threading.Event()
worker = threading.Thread(target=lambda: (ready.set(), go.wait()))
worker.start()
ready.wait()
seen, t = [], word(interp + offset(72))
while t:
    seen.append(word(t + offset(224)))
    t = word(t + offset(192))
print(len(seen), worker.native_id in seen, threading.get_native_id() in seen)
go.set()
worker.join()

# a script for the main thread, as a debugger leaves it
with tempfile.TemporaryDirectory() as folder:
    script = os.path.join(folder, 'script.py')
    with open(script, 'w') as f:
        f.write('print("left for", __import__("threading").current_thread().name)\n')
    support = thread + offset(720)
    ctypes.memmove(support + offset(744), os.fsencode(script) + b'\0', len(script) + 1)
    ctypes.c_int32.from_address(support + offset(736)).value = 1
    ctypes.c_uint64.from_address(thread + offset(712)).value |= 1 << 5
    for _ in range(3):
        pass
    print('pending', ctypes.c_int32.from_address(support + offset(736)).value, offset(752))

# the persistent map, which tests reach by its exported name
ctypes.pythonapi._PyContext_NewHamtForTests.restype = ctypes.py_object
empty = ctypes.pythonapi._PyContext_NewHamtForTests()
full = empty.set('a', 1).set('b', 2)
print(type(full), len(empty), len(full), sorted(full.items()), full == empty.set('b', 2).set('a', 1))
print([type(it).__name__ for it in (full.keys(), full.values(), full.items(), iter(full))])
print(type(full) is type(_testinternalcapi.hamt()), len(type(full)()), full.delete('a').get('a', 'gone'))

# -> b'xdebugpy' True 0 316616
# -> 0 0
# -> True True
# -> True True
# -> True True
# -> True True
# -> ['word', 'names', 'calls_names', '<module>']
# -> True
# -> 2 True True
# -> left for MainThread
# -> pending 0 512
# -> <class 'hamt'> 0 2 [('a', 1), ('b', 2)] True
# -> ['keys', 'values', 'items', 'keys']
# -> True 0 gone

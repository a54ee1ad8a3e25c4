import _posixsubprocess, sys
class A:
    def __len__(self): return 1
class B:
    def __len__(self): return sys.maxsize
    def __getitem__(self, i): return b'x'
class C:
    def __len__(self): return 2
    def __getitem__(self, i): return 'x'
class D:
    def __len__(self): return -1
class E:
    def __getitem__(self, i): return b'x'
rest = (True, (1, 2), 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, True, True, 17, False, 19, 20, 21, 22)
for argv in (1, [b'1'], A(), (3,), None):
    for exe in (A(), B(), C(), D(), E(), 3, None, [b'a\0b'], ['a'], b'ab', {}, set()):
        try:
            _posixsubprocess.fork_exec(argv, exe, *rest)
        except Exception as e:
            print(type(argv).__name__, type(exe).__name__, type(e).__name__, repr(str(e)))

# -> int A TypeError "'A' object does not support indexing"
# -> int B MemoryError ''
# -> int C TypeError 'expected bytes, str found'
# -> int D ValueError '__len__() should return >= 0'
# -> int E TypeError "object of type 'E' has no len()"
# -> int int TypeError "object of type 'int' has no len()"
# -> int NoneType TypeError "object of type 'NoneType' has no len()"
# -> int list ValueError 'embedded null byte'
# -> int list TypeError 'expected bytes, str found'
# -> int bytes TypeError 'expected bytes, int found'
# -> int dict TypeError 'dict is not a sequence'
# -> int set TypeError 'argv must be a tuple'
# -> list A TypeError "'A' object does not support indexing"
# -> list B MemoryError ''
# -> list C TypeError 'expected bytes, str found'
# -> list D ValueError '__len__() should return >= 0'
# -> list E TypeError "object of type 'E' has no len()"
# -> list int TypeError "object of type 'int' has no len()"
# -> list NoneType TypeError "object of type 'NoneType' has no len()"
# -> list list ValueError 'embedded null byte'
# -> list list TypeError 'expected bytes, str found'
# -> list bytes TypeError 'expected bytes, int found'
# -> list dict TypeError 'dict is not a sequence'
# -> list set TypeError "object of type 'int' has no len()"
# -> A A TypeError "'A' object does not support indexing"
# -> A B MemoryError ''
# -> A C TypeError 'expected bytes, str found'
# -> A D ValueError '__len__() should return >= 0'
# -> A E TypeError "object of type 'E' has no len()"
# -> A int TypeError "object of type 'int' has no len()"
# -> A NoneType TypeError "object of type 'NoneType' has no len()"
# -> A list ValueError 'embedded null byte'
# -> A list TypeError 'expected bytes, str found'
# -> A bytes TypeError 'expected bytes, int found'
# -> A dict TypeError 'dict is not a sequence'
# -> A set TypeError 'argv must be a tuple'
# -> tuple A TypeError "'A' object does not support indexing"
# -> tuple B MemoryError ''
# -> tuple C TypeError 'expected bytes, str found'
# -> tuple D ValueError '__len__() should return >= 0'
# -> tuple E TypeError "object of type 'E' has no len()"
# -> tuple int TypeError "object of type 'int' has no len()"
# -> tuple NoneType TypeError "object of type 'NoneType' has no len()"
# -> tuple list ValueError 'embedded null byte'
# -> tuple list TypeError 'expected bytes, str found'
# -> tuple bytes TypeError 'expected bytes, int found'
# -> tuple dict TypeError 'dict is not a sequence'
# -> tuple set TypeError 'expected str, bytes or os.PathLike object, not int'
# -> NoneType A TypeError "'A' object does not support indexing"
# -> NoneType B MemoryError ''
# -> NoneType C TypeError 'expected bytes, str found'
# -> NoneType D ValueError '__len__() should return >= 0'
# -> NoneType E TypeError "object of type 'E' has no len()"
# -> NoneType int TypeError "object of type 'int' has no len()"
# -> NoneType NoneType TypeError "object of type 'NoneType' has no len()"
# -> NoneType list ValueError 'embedded null byte'
# -> NoneType list TypeError 'expected bytes, str found'
# -> NoneType bytes TypeError 'expected bytes, int found'
# -> NoneType dict TypeError 'dict is not a sequence'
# -> NoneType set TypeError "object of type 'int' has no len()"

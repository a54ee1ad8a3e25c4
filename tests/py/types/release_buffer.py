class B:
    def __buffer__(self, f): return memoryview(b'abc')
    def __release_buffer__(self, v): print("rel", type(v).__name__)
b=B(); m=memoryview(b); m.release()
def t(f):
    try: print(f())
    except BaseException as e: print(type(e), e)
ba=bytearray(b'abc'); m=ba.__buffer__(0); t(lambda: ba.__release_buffer__(m)); t(lambda: ba.__release_buffer__(m)); 
m=ba.__buffer__(0); m.release(); t(lambda: ba.__release_buffer__(m)); t(lambda: bytearray(b'q').__release_buffer__(m))
m=memoryview(ba); t(lambda: ba.__release_buffer__(m)); t(lambda: ba.append(3))
m=memoryview(ba)[1:];m2=memoryview(m); t(lambda: ba.__release_buffer__(m)); t(lambda: ba.append(3)); t(lambda: m.tobytes());t(lambda: m2.tobytes())
class X(bytearray): pass
x=X(b'abc'); m=x.__buffer__(0); t(lambda: x.__release_buffer__(m)); t(lambda: x.__release_buffer__(m))

# -> rel memoryview
# -> None
# -> <class 'ValueError'> memoryview's buffer has already been released
# -> <class 'ValueError'> memoryview's buffer has already been released
# -> <class 'ValueError'> memoryview's buffer is not this object
# -> None
# -> None
# -> None
# -> <class 'BufferError'> Existing exports of data: object cannot be re-sized
# -> <class 'ValueError'> operation forbidden on released memoryview object
# -> b'bc\x03'
# -> None
# -> <class 'ValueError'> memoryview's buffer has already been released

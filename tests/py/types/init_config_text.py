"""What PyInitConfig takes for text is UTF-8."""
import ctypes
api=ctypes.pythonapi
api.PyInitConfig_Create.restype=ctypes.c_void_p
def err(c):
    t=ctypes.c_char_p(); api.PyInitConfig_GetError(c,ctypes.byref(t)); return t.value
for v in (b'caf\xc3\xa9', b'\xff\xfe', b'\xe2\x82', b'\xed\xa0\x80', b'\xf0\x9f\x98\x80', b'', b'\xc0\x80'):
    c=ctypes.c_void_p(api.PyInitConfig_Create())
    r=api.PyInitConfig_SetStr(c, b'run_module', v)
    e=err(c) if r else None
    s=ctypes.c_char_p(); g=api.PyInitConfig_GetStr(c,b'run_module',ctypes.byref(s)) if not r else None
    items=(ctypes.c_char_p*2)(b'ok',v)
    r2=api.PyInitConfig_SetStrList(c, b'argv', ctypes.c_size_t(2), items)
    print(v,r,e,g,s.value,r2,err(c) if r2 else None)
    api.PyInitConfig_Free(c)

# -> b'caf\xc3\xa9' 0 None 0 b'caf\xc3\xa9' 0 None
# -> b'\xff\xfe' -1 b'decoding error' None None -1 b'decoding error'
# -> b'\xe2\x82' -1 b'decoding error' None None -1 b'decoding error'
# -> b'\xed\xa0\x80' -1 b'decoding error' None None -1 b'decoding error'
# -> b'\xf0\x9f\x98\x80' 0 None 0 b'\xf0\x9f\x98\x80' 0 None
# -> b'' 0 None 0 b'' 0 None
# -> b'\xc0\x80' -1 b'decoding error' None None -1 b'decoding error'

import _imp
for n,o in (("a\0b","abc"),("abc","a\0b"),(3,"abc"),("abc",b"abc"),("abc",3),("\udc80","abc"),("a","\ud800")):
    class S: name=n; origin=o
    try: _imp.create_dynamic(S())
    except BaseException as e: print(type(e), ascii(str(e)))

# -> <class 'ValueError'> 'embedded null character'
# -> <class 'ValueError'> 'embedded null character'
# -> <class 'TypeError'> 'module name must be a string'
# -> <class 'TypeError'> 'module filename must be a string'
# -> <class 'TypeError'> 'module filename must be a string'
# -> <class 'UnicodeEncodeError'> "'utf-8' codec can't encode character '\\udc80' in position 0: surrogates not allowed"
# -> <class 'UnicodeEncodeError'> "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed"

class BadStr(str):
    def __eq__(self, other): return True
    def __hash__(self): return str.__hash__(self) ^ 3
class Bad2(str):
    def __eq__(self, other): return False
    def __hash__(self): return str.__hash__(self)
class Bad3(str):
    def __eq__(self, other): 1/0
    __hash__=str.__hash__
def t(f):
    try: print(f())
    except Exception as e: print(type(e).__name__, repr(str(e)))
for f,a in ((print,(1,)),(min,(1,2)),(max,([1],)),(round,(1.5,)),(sorted,([1],)),(open,('x',)),(int,()),(enumerate,([],)),(compile,('1','x','eval'))):
    for k in ('foo','keyy','sepp','strict', 'endd','flags'):
        for C in (str,BadStr,Bad2,Bad3): t(lambda: f(*a, **{C(k):1}))
t(lambda: min(0, default=1, key=2, foo=3)); t(lambda: max(0, default=1, key=2, foo=3, e=3))
t(lambda: print(**{Bad2('sep'):'-'}))

# -> TypeError "print() got an unexpected keyword argument 'foo'"
# -> TypeError 'invalid keyword argument for print()'
# -> TypeError "print() got an unexpected keyword argument 'foo'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "print() got an unexpected keyword argument 'keyy'"
# -> TypeError 'invalid keyword argument for print()'
# -> TypeError "print() got an unexpected keyword argument 'keyy'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "print() got an unexpected keyword argument 'sepp'. Did you mean 'sep'?"
# -> TypeError 'invalid keyword argument for print()'
# -> TypeError "print() got an unexpected keyword argument 'sepp'. Did you mean 'sep'?"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "print() got an unexpected keyword argument 'strict'"
# -> TypeError 'invalid keyword argument for print()'
# -> TypeError "print() got an unexpected keyword argument 'strict'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "print() got an unexpected keyword argument 'endd'. Did you mean 'end'?"
# -> TypeError 'invalid keyword argument for print()'
# -> TypeError "print() got an unexpected keyword argument 'endd'. Did you mean 'end'?"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "print() got an unexpected keyword argument 'flags'"
# -> TypeError 'invalid keyword argument for print()'
# -> TypeError "print() got an unexpected keyword argument 'flags'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "min() got an unexpected keyword argument 'foo'"
# -> TypeError 'invalid keyword argument for min()'
# -> TypeError "min() got an unexpected keyword argument 'foo'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "min() got an unexpected keyword argument 'keyy'. Did you mean 'key'?"
# -> TypeError 'invalid keyword argument for min()'
# -> TypeError "min() got an unexpected keyword argument 'keyy'. Did you mean 'key'?"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "min() got an unexpected keyword argument 'sepp'"
# -> TypeError 'invalid keyword argument for min()'
# -> TypeError "min() got an unexpected keyword argument 'sepp'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "min() got an unexpected keyword argument 'strict'"
# -> TypeError 'invalid keyword argument for min()'
# -> TypeError "min() got an unexpected keyword argument 'strict'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "min() got an unexpected keyword argument 'endd'"
# -> TypeError 'invalid keyword argument for min()'
# -> TypeError "min() got an unexpected keyword argument 'endd'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "min() got an unexpected keyword argument 'flags'"
# -> TypeError 'invalid keyword argument for min()'
# -> TypeError "min() got an unexpected keyword argument 'flags'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "max() got an unexpected keyword argument 'foo'"
# -> TypeError 'invalid keyword argument for max()'
# -> TypeError "max() got an unexpected keyword argument 'foo'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "max() got an unexpected keyword argument 'keyy'. Did you mean 'key'?"
# -> TypeError 'invalid keyword argument for max()'
# -> TypeError "max() got an unexpected keyword argument 'keyy'. Did you mean 'key'?"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "max() got an unexpected keyword argument 'sepp'"
# -> TypeError 'invalid keyword argument for max()'
# -> TypeError "max() got an unexpected keyword argument 'sepp'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "max() got an unexpected keyword argument 'strict'"
# -> TypeError 'invalid keyword argument for max()'
# -> TypeError "max() got an unexpected keyword argument 'strict'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "max() got an unexpected keyword argument 'endd'"
# -> TypeError 'invalid keyword argument for max()'
# -> TypeError "max() got an unexpected keyword argument 'endd'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "max() got an unexpected keyword argument 'flags'"
# -> TypeError 'invalid keyword argument for max()'
# -> TypeError "max() got an unexpected keyword argument 'flags'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "round() got an unexpected keyword argument 'foo'"
# -> TypeError 'invalid keyword argument for round()'
# -> TypeError "round() got an unexpected keyword argument 'foo'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "round() got an unexpected keyword argument 'keyy'"
# -> TypeError 'invalid keyword argument for round()'
# -> TypeError "round() got an unexpected keyword argument 'keyy'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "round() got an unexpected keyword argument 'sepp'"
# -> TypeError 'invalid keyword argument for round()'
# -> TypeError "round() got an unexpected keyword argument 'sepp'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "round() got an unexpected keyword argument 'strict'"
# -> TypeError 'invalid keyword argument for round()'
# -> TypeError "round() got an unexpected keyword argument 'strict'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "round() got an unexpected keyword argument 'endd'"
# -> TypeError 'invalid keyword argument for round()'
# -> TypeError "round() got an unexpected keyword argument 'endd'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "round() got an unexpected keyword argument 'flags'"
# -> TypeError 'invalid keyword argument for round()'
# -> TypeError "round() got an unexpected keyword argument 'flags'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "sort() got an unexpected keyword argument 'foo'"
# -> TypeError 'invalid keyword argument for sort()'
# -> TypeError "sort() got an unexpected keyword argument 'foo'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "sort() got an unexpected keyword argument 'keyy'. Did you mean 'key'?"
# -> TypeError 'invalid keyword argument for sort()'
# -> TypeError "sort() got an unexpected keyword argument 'keyy'. Did you mean 'key'?"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "sort() got an unexpected keyword argument 'sepp'"
# -> TypeError 'invalid keyword argument for sort()'
# -> TypeError "sort() got an unexpected keyword argument 'sepp'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "sort() got an unexpected keyword argument 'strict'"
# -> TypeError 'invalid keyword argument for sort()'
# -> TypeError "sort() got an unexpected keyword argument 'strict'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "sort() got an unexpected keyword argument 'endd'"
# -> TypeError 'invalid keyword argument for sort()'
# -> TypeError "sort() got an unexpected keyword argument 'endd'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "sort() got an unexpected keyword argument 'flags'"
# -> TypeError 'invalid keyword argument for sort()'
# -> TypeError "sort() got an unexpected keyword argument 'flags'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "open() got an unexpected keyword argument 'foo'"
# -> TypeError 'invalid keyword argument for open()'
# -> TypeError "open() got an unexpected keyword argument 'foo'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "open() got an unexpected keyword argument 'keyy'"
# -> TypeError 'invalid keyword argument for open()'
# -> TypeError "open() got an unexpected keyword argument 'keyy'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "open() got an unexpected keyword argument 'sepp'"
# -> TypeError 'invalid keyword argument for open()'
# -> TypeError "open() got an unexpected keyword argument 'sepp'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "open() got an unexpected keyword argument 'strict'"
# -> TypeError 'invalid keyword argument for open()'
# -> TypeError "open() got an unexpected keyword argument 'strict'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "open() got an unexpected keyword argument 'endd'"
# -> TypeError 'invalid keyword argument for open()'
# -> TypeError "open() got an unexpected keyword argument 'endd'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "open() got an unexpected keyword argument 'flags'"
# -> TypeError 'invalid keyword argument for open()'
# -> TypeError "open() got an unexpected keyword argument 'flags'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "int() got an unexpected keyword argument 'foo'"
# -> TypeError 'invalid keyword argument for int()'
# -> TypeError "int() got an unexpected keyword argument 'foo'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "int() got an unexpected keyword argument 'keyy'"
# -> TypeError 'invalid keyword argument for int()'
# -> TypeError "int() got an unexpected keyword argument 'keyy'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "int() got an unexpected keyword argument 'sepp'"
# -> TypeError 'invalid keyword argument for int()'
# -> TypeError "int() got an unexpected keyword argument 'sepp'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "int() got an unexpected keyword argument 'strict'"
# -> TypeError 'invalid keyword argument for int()'
# -> TypeError "int() got an unexpected keyword argument 'strict'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "int() got an unexpected keyword argument 'endd'"
# -> TypeError 'invalid keyword argument for int()'
# -> TypeError "int() got an unexpected keyword argument 'endd'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "int() got an unexpected keyword argument 'flags'"
# -> TypeError 'invalid keyword argument for int()'
# -> TypeError "int() got an unexpected keyword argument 'flags'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "'foo' is an invalid keyword argument for enumerate()"
# -> TypeError "'foo' is an invalid keyword argument for enumerate()"
# -> TypeError "'foo' is an invalid keyword argument for enumerate()"
# -> TypeError "'foo' is an invalid keyword argument for enumerate()"
# -> TypeError "'keyy' is an invalid keyword argument for enumerate()"
# -> TypeError "'keyy' is an invalid keyword argument for enumerate()"
# -> TypeError "'keyy' is an invalid keyword argument for enumerate()"
# -> TypeError "'keyy' is an invalid keyword argument for enumerate()"
# -> TypeError "'sepp' is an invalid keyword argument for enumerate()"
# -> TypeError "'sepp' is an invalid keyword argument for enumerate()"
# -> TypeError "'sepp' is an invalid keyword argument for enumerate()"
# -> TypeError "'sepp' is an invalid keyword argument for enumerate()"
# -> TypeError "'strict' is an invalid keyword argument for enumerate()"
# -> TypeError "'strict' is an invalid keyword argument for enumerate()"
# -> TypeError "'strict' is an invalid keyword argument for enumerate()"
# -> TypeError "'strict' is an invalid keyword argument for enumerate()"
# -> TypeError "'endd' is an invalid keyword argument for enumerate()"
# -> TypeError "'endd' is an invalid keyword argument for enumerate()"
# -> TypeError "'endd' is an invalid keyword argument for enumerate()"
# -> TypeError "'endd' is an invalid keyword argument for enumerate()"
# -> TypeError "'flags' is an invalid keyword argument for enumerate()"
# -> TypeError "'flags' is an invalid keyword argument for enumerate()"
# -> TypeError "'flags' is an invalid keyword argument for enumerate()"
# -> TypeError "'flags' is an invalid keyword argument for enumerate()"
# -> TypeError "compile() got an unexpected keyword argument 'foo'"
# -> TypeError 'invalid keyword argument for compile()'
# -> TypeError "compile() got an unexpected keyword argument 'foo'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "compile() got an unexpected keyword argument 'keyy'"
# -> TypeError 'invalid keyword argument for compile()'
# -> TypeError "compile() got an unexpected keyword argument 'keyy'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "compile() got an unexpected keyword argument 'sepp'"
# -> TypeError 'invalid keyword argument for compile()'
# -> TypeError "compile() got an unexpected keyword argument 'sepp'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "compile() got an unexpected keyword argument 'strict'"
# -> TypeError 'invalid keyword argument for compile()'
# -> TypeError "compile() got an unexpected keyword argument 'strict'"
# -> ZeroDivisionError 'division by zero'
# -> TypeError "compile() got an unexpected keyword argument 'endd'"
# -> TypeError 'invalid keyword argument for compile()'
# -> TypeError "compile() got an unexpected keyword argument 'endd'"
# -> ZeroDivisionError 'division by zero'
# -> ValueError 'compile(): unrecognised flags'
# -> ValueError 'compile(): unrecognised flags'
# -> ValueError 'compile(): unrecognised flags'
# -> ValueError 'compile(): unrecognised flags'
# -> TypeError 'min() takes at most 2 keyword arguments (3 given)'
# -> TypeError 'max() takes at most 2 keyword arguments (4 given)'
# ->
# -> None

"""__get__ is called as it lies in the class: nothing binds it."""


class Static:
    __get__ = staticmethod(lambda *args: len(args))


class Class:
    class __get__:
        def __init__(self, *args):
            self.args = args

        def __repr__(self):
            return f'{len(self.args)} arguments'


class Native:
    __get__ = max


class Uses:
    static = Static()
    klass = Class()
    native = Native()


print(Uses.static, Uses().static, Uses.klass, Uses().klass)
try:
    Uses.native
except TypeError as e:
    print(e)

# -> 3 3 3 arguments 3 arguments
# -> '>' not supported between instances of 'NoneType' and 'Native'

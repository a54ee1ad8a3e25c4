import sys

sys.path.insert(0, sys.argv[1])
import example

assert example.summary([1, 2, 10 ** 30]) == {"total": 3 + 10 ** 30, "names": ("<1>", "<2>", f"<{10 ** 30}>")}
try:
    example.summary(())
except example.Error as e:
    assert isinstance(e, ValueError) and str(e) == "expected a list, got tuple"
else:
    raise AssertionError("no error")
assert example.calls() == 2


class Sub(example.Counter):
    pass


c = Sub(start=5)
assert c.add(3) == 8 and bytes(memoryview(c)) == b"abcdefgh"
memoryview(c)[0] = 90
assert bytes(c) == b"Zbcdefgh"
c.extra = [c]


def references():
    c = example.Counter(start=1)
    return c.references(), c.references()


# a local's method call counts the local only, also before it is specialized
assert references() == (1, 1)

# a type that shares str's number suite must not write a second base's slots into it
assert example.Text("x") == "x" and bool("x") and not ""
# operators that a static type has as methods only are operators of its Python subclasses
class Named(example.Named):
    pass


class Deeper(Named):
    pass


for cls in (Named, Deeper):
    value = cls()
    assert value + 1 == "plus 1"
    value += 2
    assert value == "plus 2"
try:
    example.Named() + 1
except TypeError:
    pass
else:
    raise AssertionError
print("ok")

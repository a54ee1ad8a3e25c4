# A context made implicitly by ContextVar.set is not "entered": another owner may run in it.
import contextvars
import gc

var = contextvars.ContextVar('var')


def outside():
    var.set(1)
    implicit, = [c for c in gc.get_objects()
                 if type(c) is contextvars.Context and c.get(var) == 1]
    return implicit.run(var.get)


print(outside())  # -> 1
inner = contextvars.copy_context()
try:
    inner.run(inner.run, print)
except RuntimeError as e:
    print('already entered' in str(e))  # -> True

# Deep structures are destroyed without using up the C stack.
deep = None
for i in range(1_000_000):
    deep = (deep, i)
del deep
nest = {}
for i in range(300_000):
    nest = {'n': nest}
del nest
print('gone')  # -> gone

import contextvars
var = contextvars.ContextVar('var')
var.set(1)
keys = contextvars.copy_context().keys()
print('an iterator of a context is its own:', iter(keys) is keys, len(keys))
# -> an iterator of a context is its own: True 2

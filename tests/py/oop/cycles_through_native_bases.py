# A cycle through a Python subclass of a native type with a managed dictionary is found: nothing is visited twice.
import asyncio
import gc
import weakref


class F(asyncio.Future):
    pass


loop = asyncio.new_event_loop()
f = F(loop=loop)
f.itself = f
gone = weakref.ref(f)
del f
gc.collect()
print(gone())
loop.close()

# -> None

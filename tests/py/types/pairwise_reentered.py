"""pairwise() whose iterator calls it again drops what the inner call had kept."""
import weakref
from itertools import pairwise


class Item:
    pass


items = []


class Source:
    calls = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.calls += 1
        if self.calls == 1:
            return next(pairs)
        item = Item()
        items.append(weakref.ref(item))
        return item


pairs = pairwise(Source())
(first, second), third = next(pairs)
print([item() is not None for item in items])
del first, second, third
print([item() is not None for item in items])
pairs = None
print([item() is not None for item in items])

# -> [True, True, True]
# -> [True, True, True]
# -> [False, False, False]

"""An integer stored as its own key is one object."""


def comprehension():
    return {i: i for i in range(1000, 1010)}


def stores():
    d = {}
    for i in range(1000, 1010):
        d[i] = i
    return d


print(all(k is v for k, v in comprehension().items()))  # -> True
print(all(k is v for k, v in stores().items()))  # -> True

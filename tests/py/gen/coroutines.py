class Wait:
    def __init__(self, v): self.v = v
    def __await__(self):
        r = yield self.v
        return r
async def inner(x):
    return await Wait(x) + 1
async def main():
    total = 0
    for i in range(3):
        total += await inner(i)
    async with Ctx() as c:
        total += c
    return total, [x async for x in agen()]
class Ctx:
    async def __aenter__(self): return 100
    async def __aexit__(self, *a): print('exit', a)
async def agen():
    for i in range(3):
        yield i
c = main()
v = c.send(None)
while True:
    try:
        v = c.send(v * 10)
    except StopIteration as e:
        print(e.value)
        break

# -> exit (None, None, None)
# -> (133, [0, 1, 2])

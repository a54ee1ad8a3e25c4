class P:
    __match_args__ = ('x', 'y')
    def __init__(self, x, y): self.x, self.y = x, y
def f(v):
    match v:
        case 0 | 1: return 'bit'
        case int(n) if n > 100: return f'big {n}'
        case str() as s: return s.upper()
        case [] | (): return 'empty'
        case [a, *rest]: return a, rest
        case {'k': v, **rest}: return v, rest
        case P(0, y=yy): return 'axis', yy
        case P(): return 'point'
        case None: return 'none'
        case _: return 'other'
for v in (0, 1, 5, 500, 'ab', [], [1], (1, 2, 3), {'k': 1, 'z': 2}, {}, P(0, 4), P(1, 1), None, 2.5):
    print(f(v))

# -> bit
# -> bit
# -> other
# -> big 500
# -> AB
# -> empty
# -> (1, [])
# -> (1, [2, 3])
# -> (1, {'z': 2})
# -> other
# -> ('axis', 4)
# -> point
# -> none
# -> other

# A syntax tree with None where a node belongs is refused; nothing crashes.
import ast

for source in ('def f[T](): pass', 'class C[T]: pass', 'type X[T] = int'):
    tree = ast.parse(source)
    tree.body[0].type_params = [None]
    try:
        compile(tree, 'f', 'exec')
    except ValueError as e:
        print(e)
# -> None disallowed in type_param list
# -> None disallowed in type_param list
# -> None disallowed in type_param list

tree = ast.parse('try: pass\nexcept: pass')
tree.body[0].handlers = [None]
try:
    compile(tree, 'f', 'exec')
except ValueError as e:
    print(e)
# -> None disallowed in excepthandler list

for source, node in (('def f():\n global x', lambda t: t.body[0].body[0]),
                     ('def f():\n nonlocal x', lambda t: t.body[0].body[0])):
    tree = ast.parse(source)
    node(tree).names = [None]
    try:
        compile(tree, 'f', 'exec')
    except ValueError as e:
        print(e)
# -> None disallowed in identifier list
# -> None disallowed in identifier list

tree = ast.parse('match a:\n case B(x=1): pass')
tree.body[0].cases[0].pattern.kwd_attrs = [None]
try:
    compile(tree, 'f', 'exec')
except ValueError as e:
    print(e)
# -> None disallowed in identifier list

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

"""Where the reference's compiler decides by less than it could know, the same bytes come out (.pyc files are shared)."""
import dis


def names(source, qualname):
    code = compile(source, 'x', 'exec')
    for part in qualname.split('.') if qualname else ():
        code = next(k for k in code.co_consts if hasattr(k, 'co_name') and k.co_name == part)
    return [i.opname for i in dis.get_instructions(code)]


# What IMPORT_FROM pushes counts as pushed by the first instruction of the block.
print([n for n in names('def f(a, b):\n    a.x(b)\n    from m import y\n', 'f') if 'LOAD_FAST' in n])
# -> ['LOAD_FAST_BORROW', 'LOAD_FAST_BORROW']
print([n for n in names('def f(a, b):\n    if a: b = 1\n    b.x(a)\n    from m import y\n', 'f') if 'LOAD_FAST' in n])
# -> ['LOAD_FAST_BORROW', 'LOAD_FAST', 'LOAD_FAST_BORROW']

# Attributes of imported modules are no methods, but in an inlined comprehension of a module they are.
print('PUSH_NULL' in names('import m\nm.f(1)\n', ''))  # -> True
print('PUSH_NULL' in names('import m\n[m.f(x) for x in y]\n', ''))  # -> False

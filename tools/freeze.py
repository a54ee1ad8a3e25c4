"""freeze.py LIBRARY OUTPUT [OWN]: the frozen modules as C; files below OWN come first.

Run by the first stage of the build (an interpreter that still compiles importlib from its
source at each start). The names and what they stand for are those of CPython 3.14.
SPDX-License-Identifier: MIT
"""
import marshal
import os
import sys

# name, file below the library, module it stands for, package, hidden by -X frozen_modules=off
MODULES = [
    ('_frozen_importlib', 'importlib/_bootstrap', 'importlib._bootstrap', False, False),
    ('_frozen_importlib_external', 'importlib/_bootstrap_external',
     'importlib._bootstrap_external', False, False),
    ('zipimport', 'zipimport', 'zipimport', False, False),
    *((name, name.replace('.', '/'), name, False, True) for name in (
        'abc', 'codecs', 'io', '_collections_abc', '_sitebuiltins', 'genericpath', 'ntpath',
        'posixpath', 'os', 'site', 'stat', 'importlib.util', 'importlib.machinery', 'runpy')),
    ('__hello__', '__hello__', '__hello__', False, True),
    ('__hello_alias__', '__hello__', '__hello__', False, True),
    ('__phello_alias__', '__hello__', '__hello__', True, True),
    ('__phello_alias__.spam', '__hello__', '__hello__', False, True),
    ('__phello__', '__phello__/__init__', '__phello__', True, True),
    ('__phello__.__init__', '__phello__/__init__', '<__phello__', False, True),
    ('__phello__.ham', '__phello__/ham/__init__', '__phello__.ham', True, True),
    ('__phello__.ham.__init__', '__phello__/ham/__init__', '<__phello__.ham', False, True),
    ('__phello__.ham.eggs', '__phello__/ham/eggs', '__phello__.ham.eggs', False, True),
    ('__phello__.spam', '__phello__/spam', '__phello__.spam', False, True),
    ('__hello_only__', 'frozen_only', None, False, True),
]
# not in the packaged library
TEXTS = {
    'frozen_only': b'initialized = True\nprint("Hello world!")\n',
    '__phello__/ham/__init__': b'',
    '__phello__/ham/eggs': b'',
}


def escape(data):
    """C string literals for DATA, the shortest escape for each byte."""
    out, line = [], ''
    for i, b in enumerate(data):
        if 32 <= b < 127 and b not in b'"\\?':
            line += chr(b)
        else:
            following = data[i + 1] if i + 1 < len(data) else 0
            line += f'\\{b:03o}' if 48 <= following < 56 else f'\\{b:o}'
        if len(line) > 200:
            out.append(f'"{line}"')
            line = ''
    out.append(f'"{line}"')
    return '\n    '.join(out)


def main(library, output, own=None):
    blobs, table = {}, []
    for name, file, origin, package, switchable in MODULES:
        if file not in blobs:
            text = TEXTS.get(file)
            if text is None:
                path = f'{own}/{file}.py'
                if not own or not os.path.exists(path):
                    path = f'{library}/{file}.py'
                with open(path, 'rb') as f:
                    text = f.read()
            shown = file.replace('/', '.').removesuffix('.__init__')
            code = compile(text, f'<frozen {shown}>', 'exec', dont_inherit=True, optimize=0)
            blobs[file] = marshal.dumps(code)
        table.append((name, file, origin, package, switchable))
    index = {file: i for i, file in enumerate(blobs)}
    lines = ['/* Written by tools/freeze.py. */', '#include "runtime/frozen.h"', '']
    for file, data in blobs.items():
        lines.append(f'static const char m{index[file]}[] = /* {file} */\n    {escape(data)};')
    lines.append('\nconst NjFrozen nj_frozen_table[] = {')
    for name, file, origin, package, switchable in table:
        quoted = 'NULL' if origin is None else f'"{origin}"'
        i = index[file]
        lines.append(f'    {{"{name}", {quoted}, {str(package).lower()}, {str(switchable).lower()}, '
                     f'(const unsigned char *)m{i}, sizeof m{i} - 1}},')
    lines.append('    {NULL, NULL, false, false, NULL, 0},\n};\n')
    # the names that ctypes programs look up: the same modules in three groups
    groups = {'Bootstrap': [], 'Stdlib': [], 'Test': []}
    for name, file, _, package, switchable in table:
        group = 'Bootstrap' if not switchable else 'Test' if name.startswith('__') else 'Stdlib'
        i = index[file]
        groups[group].append(f'    {{"{name}", (const unsigned char *)m{i}, sizeof m{i} - 1, {int(package)}}},')
    for group, rows in groups.items():
        lines += [f'static const struct _frozen group_{group}[] = {{', *rows, '    {NULL, NULL, 0, 0},', '};',
                  f'const struct _frozen *_PyImport_Frozen{group} = group_{group};']
    text = '\n'.join(lines) + '\n'
    try:
        with open(output, encoding='ascii') as f:
            if f.read() == text:
                return  # nothing behind it is built again
    except OSError:
        pass
    with open(output + '.new', 'w', encoding='ascii') as f:
        f.write(text)
    os.replace(output + '.new', output)


main(*sys.argv[1:])

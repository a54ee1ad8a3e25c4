"""prefixfiles.py vars TEMPLATE OUT | prefixfiles.py install ROOT PREFIX: files that describe an installation.

`vars' makes _sysconfigdata: the template and what pyconfig.h of the running interpreter's
headers defines. `install' writes those with fixed paths (JSON of the variables,
build-details.json and its name in Debian's library, pkg-config files, python3.14-config,
the Makefile that sysconfig names) into the tree at ROOT, to be used as PREFIX. Run by the
naja in question.
SPDX-License-Identifier: MIT
"""
import importlib.machinery
import json
import os
import sys
import sysconfig

MULTIARCH = sys.implementation._multiarch
HEADERS = f'{sys.base_prefix}/include/python3.14'


def write(path, text, mode=0o644):
    try:
        with open(path, encoding='utf-8') as f:
            if f.read() == text:
                return
    except OSError:
        pass
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + '.new', 'w', encoding='utf-8') as f:
        f.write(text)
    os.chmod(path + '.new', mode)
    os.replace(path + '.new', path)  # others may hold the old file (hard links)


def write_vars(template, out):
    with open(template, encoding='utf-8') as f:
        text = f.read()
    header = f'{HEADERS}/{MULTIARCH}/python3.14/pyconfig.h'
    if not os.path.exists(header):
        header = f'{HEADERS}/pyconfig.h'
    with open(header, encoding='utf-8') as f:
        defines = sysconfig.parse_config_h(f)
    lines = [f'    {name!r}: {value!r},\n' for name, value in sorted(defines.items())]
    write(out, text + 'build_time_vars = {\n' + ''.join(lines) + '} | build_time_vars\n')


CONFIG = '''#!/bin/sh
# python3.14-config: what compilers need to build against this installation.
usage() {
    echo "Usage: $0 --prefix|--exec-prefix|--includes|--libs|--cflags|--ldflags|--extension-suffix|--help|--abiflags|--configdir|--embed"
}
[ $# -gt 0 ] || { usage >&2; exit 1; }
self=$(readlink -f "$0")
prefix=$(cd "$(dirname "$self")/.." && pwd)
# for the shell that reads our output
quote() { printf '%s' "$1" | sed 's/[^A-Za-z0-9_@%+=:,./-]/\\\\&/g'; }
q=$(quote "$prefix")
libs='-ldl -lm'
for arg do
    case $arg in
        --help) usage; exit 0 ;;
        --embed) libs='-lpython3.14 -ldl -lm' ;;
        --prefix|--exec-prefix|--includes|--libs|--cflags|--ldflags|--extension-suffix|--abiflags|--configdir) ;;
        *) usage >&2; exit 1 ;;
    esac
done
for arg do
    case $arg in
        --prefix|--exec-prefix) echo "$prefix" ;;
        --includes) echo "-I$q/include/python3.14" ;;
        --cflags) echo "-I$q/include/python3.14 @CFLAGS@" ;;
        --libs) echo "$libs" ;;
        --ldflags) echo "-L$q/lib $libs" ;;
        --extension-suffix) echo '@SUFFIX@' ;;
        --abiflags) echo ;;
        --configdir) echo "$prefix/lib/python3.14/config-3.14-@MULTIARCH@" ;;
    esac
done
'''

PKGCONFIG = '''# See: man pkg-config
prefix=${{pcfiledir}}/../..
exec_prefix=${{prefix}}
libdir=${{exec_prefix}}/lib
includedir=${{prefix}}/include

Name: Python
Description: {what}
Requires:
Version: 3.14
Libs.private: -ldl -lm
Libs: {libs}
Cflags: -I${{includedir}}/python3.14
'''


def details(prefix):
    version = {k: getattr(sys.version_info, k)
               for k in ('major', 'minor', 'micro', 'releaselevel', 'serial')}
    return {
        'schema_version': '1.0',
        'base_prefix': prefix,
        'base_interpreter': f'{prefix}/bin/python3.14',
        'platform': sysconfig.get_platform(),
        'language': {'version': sysconfig.get_python_version(), 'version_info': version},
        'implementation': {
            'name': sys.implementation.name,
            'cache_tag': sys.implementation.cache_tag,
            'version': version,
            'hexversion': sys.implementation.hexversion,
            '_multiarch': MULTIARCH,
            'supports_isolated_interpreters': True,
        },
        'abi': {
            'flags': [],
            'extension_suffix': sysconfig.get_config_var('EXT_SUFFIX'),
            'stable_abi_suffix': '.abi3.so',
        },
        'suffixes': {
            'source': importlib.machinery.SOURCE_SUFFIXES,
            'bytecode': importlib.machinery.BYTECODE_SUFFIXES,
            'extensions': importlib.machinery.EXTENSION_SUFFIXES,
        },
        'libpython': {
            'dynamic': f'{prefix}/lib/libpython3.14.so.1.0',
            'link_extensions': False,
        },
        'c_api': {
            'headers': f'{prefix}/include/python3.14',
            'pkgconfig_path': f'{prefix}/lib/pkgconfig',
        },
    }


def write_install(root, prefix):
    """Run by the naja inside ROOT: what it reports needs only its prefix replaced."""
    lib = f'{root}/lib/python3.14'
    old = sys.base_prefix

    def moved(value):
        return value.replace(old, prefix) if isinstance(value, str) else value

    variables = {k: moved(v) for k, v in sysconfig.get_config_vars().items()}
    del variables['userbase']  # of whoever runs it
    name = f'_sysconfig_vars_{sys.abiflags}_{sys.platform}_{MULTIARCH}.json'
    write(f'{lib}/{name}', json.dumps(variables, indent=2) + '\n')
    for name in ('build-details.json', f'build-details.{sys.abiflags}.{MULTIARCH}.json'):
        write(f'{lib}/{name}', json.dumps(details(prefix), indent=2) + '\n')
    makefile = ''.join(f'{k}=\t{v}\n' for k, v in sorted(variables.items()))
    write(f'{lib}/config-3.14-{MULTIARCH}/Makefile',
          '# The variables that sysconfig reports.\n' + makefile)
    text = CONFIG.replace('@CFLAGS@', variables['CFLAGS']).replace('@MULTIARCH@', MULTIARCH)
    write(f'{root}/bin/python3.14-config', text.replace('@SUFFIX@', variables['EXT_SUFFIX']), 0o755)
    for suffix, what, libs in (('', 'Build a C extension for Python', ''),
                               ('-embed', 'Embed Python into an application',
                                '-L${libdir} -lpython3.14')):
        write(f'{root}/lib/pkgconfig/python-3.14{suffix}.pc', PKGCONFIG.format(what=what, libs=libs))


if __name__ == '__main__':
    {'vars': write_vars, 'install': write_install}[sys.argv[1]](*sys.argv[2:])

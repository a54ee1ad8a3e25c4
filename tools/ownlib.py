"""ownlib.py LIBRARY OUTDIR STAMP: the library files that differ in a prefix of Naja's own.

Debian's library keeps the packages of a program below /usr apart from those its own
packages bring (dist-packages, scheme posix_local) and refuses ensurepip there. A prefix of
our own is shared with nobody: site-packages, scheme posix_prefix, ensurepip allowed, as in
a library not from Debian. The given library itself stays as it is.
SPDX-License-Identifier: MIT
"""
import os
import re
import sys

RULES = {
    'site.py': [
        # the three directories of Debian, and site-packages in virtual environments only
        (r'            if is_virtual_environment:\n'
         r'                (sitepackages\.append\(os\.path\.join\(prefix, "lib",\n)'
         r' +("python%d\.%d" % sys\.version_info\[:2\],\n)'
         r' +("site-packages"\)\)\n)'
         r'.*?(?=        else:\n            sitepackages\.append\(prefix\))',
         r'            \1' + ' ' * 44 + r'\2' + ' ' * 44 + r'\3'),
        (r'    is_virtual_environment = [^\n]*\n\n', ''),
    ],
    'sysconfig/__init__.py': [
        (r"        # default to /usr for package builds.*?prefix_scheme = 'posix_local'\n",
         "        prefix_scheme = 'posix_prefix'\n"),
    ],
    'ensurepip/__init__.py': [
        (r'def _ensurepip_is_disabled_in_debian_for_system\(\):.*?    sys\.exit\(1\)\n\n\n', ''),
        (r'    _ensurepip_is_disabled_in_debian_for_system\(\)\n', ''),
    ],
}


def main(library, outdir, stamp):
    for name, rules in RULES.items():
        with open(f'{library}/{name}', encoding='utf-8') as f:
            text = f.read()
        for pattern, replacement in rules:
            text = re.sub(pattern, replacement, text, count=1, flags=re.DOTALL)
        compile(text, name, 'exec')
        path = f'{outdir}/{name}'
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
    open(stamp, 'w').close()


main(*sys.argv[1:])

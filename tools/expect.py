#!/usr/bin/env python3
"""expect.py REFERENCE FILE...: writes what each program prints under the reference into the
block of `# -> ' comments at its end. Review the difference before committing it."""
import re
import subprocess
import sys

for path in sys.argv[2:]:
    text = open(path, encoding='utf-8').read()
    body = re.sub(r'(\n# ->[^\n]*)+\n*\Z', '\n', text).rstrip('\n') + '\n'
    p = subprocess.run([sys.argv[1], path], capture_output=True, text=True)
    lines = ''.join(f'# -> {line}'.rstrip() + '\n' for line in p.stdout.splitlines())
    open(path, 'w', encoding='utf-8').write(body + '\n' + lines)

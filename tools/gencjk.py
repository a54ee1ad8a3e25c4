#!/usr/bin/env python3
"""gencjk.py DIR: writes the tables of the CJK codecs (src/dynload/_codecs_*.inc) to DIR.

Run it under a reference CPython: the tables are what its codecs are seen to do with every byte sequence and every
code point, in a compact form of our own (src/dynload/cjk.h explains it).
"""
import os, sys

# codec: (module, base codec or None, transform of the base's cells)
CODECS = {
    'gbk': ('cn', None, 'SAME'), 'gb2312': ('cn', 'gbk', 'SAME'), 'gb18030': ('cn', 'gbk', 'SAME'),
    'big5': ('tw', None, 'SAME'), 'cp950': ('tw', 'big5', 'SAME'), 'big5hkscs': ('hk', 'big5', 'SAME'),
    'euc_jp': ('jp', None, 'SAME'), 'shift_jis': ('jp', 'euc_jp', 'SJIS'), 'cp932': ('jp', 'shift_jis', 'SAME'),
    'euc_jis_2004': ('jp', 'euc_jp', 'SAME'), 'euc_jisx0213': ('jp', 'euc_jis_2004', 'SAME'),
    'shift_jis_2004': ('jp', 'euc_jis_2004', 'SJIS'), 'shift_jisx0213': ('jp', 'shift_jis_2004', 'SAME'),
    'cp949': ('kr', None, 'SAME'), 'euc_kr': ('kr', 'cp949', 'SAME'), 'johab': ('kr', None, 'SAME'),
}
LEAD, SKIP, LITERAL, RUN, BASE = 0xdfff, 0, 1, 2, 3


def sjis_to_euc(lead, trail):
    """The cell of a Shift_JIS pair in a 94x94 set, as an EUC pair; None where there is none."""
    if not (0x81 <= lead <= 0x9f or 0xe0 <= lead <= 0xef) or trail == 0x7f or not 0x40 <= trail <= 0xfc:
        return None
    row = (lead - (0x81 if lead <= 0x9f else 0xc1)) * 2
    col = trail - (0x40 if trail < 0x7f else 0x41)
    if col >= 94:
        row, col = row + 1, col - 94
    return row + 0xa1, col + 0xa1


class Codec:
    def __init__(self, name):
        self.name = name
        self.module, self.base, self.transform = CODECS[name]
        self.single, self.two, self.three, self.span2, self.extras = {}, {}, {}, [], []
        leads, thirds = [], []
        for b in range(256):
            try:
                self.single[b] = ord(bytes([b]).decode(name))
            except UnicodeDecodeError as e:
                if e.reason.startswith('incomplete'):
                    self.single[b] = LEAD
                    leads.append(b)
                else:
                    assert (e.start, e.end) == (0, 1)
        for lead in leads:
            for trail in range(256):
                try:
                    self.two[lead, trail] = bytes([lead, trail]).decode(name)
                except UnicodeDecodeError as e:
                    if e.reason.startswith('incomplete'):
                        if name in ('gb18030', 'euc_kr'):
                            continue                   # their long forms follow a rule, see the engine
                        assert lead == 0x8f
                        thirds.append(trail)
                    elif e.end == 2:
                        self.span2.append(lead << 8 | trail)
                    else:
                        assert (e.start, e.end) == (0, 1)
        assert not thirds or len(thirds) == 256
        for a in thirds:
            for b in range(256):
                try:
                    self.three[a, b] = bytes([0x8f, a, b]).decode(name)
                except UnicodeDecodeError as e:
                    assert (e.start, e.end) == (0, 1) and e.reason.startswith('illegal')

    def value(self, s):
        """The cell word of a decoded string: itself, or an index into extras."""
        if len(s) == 1 and ord(s) < 0x10000:
            assert not 0xd800 <= ord(s) < 0xe000
            return ord(s)
        pair = (ord(s[0]), ord(s[1]) if len(s) > 1 else 0)
        if pair not in self.extras:
            self.extras.append(pair)
        return 0xd800 + self.extras.index(pair)

    def base_value(self, key, which):
        if not self.base:
            return 0
        base = ALL[self.base]
        if self.transform == 'SJIS':
            key = sjis_to_euc(*key) if which == 'two' else None
        s = getattr(base, which).get(key)
        return ord(s) if s and len(s) == 1 and ord(s) < 0x10000 else 0

    def stream(self, which):
        """lo/hi of both bytes and the token stream of a two-dimensional map."""
        cells = getattr(self, which)
        if not cells:
            return (0, 0, 0, 0), []
        bounds = (min(k[0] for k in cells), max(k[0] for k in cells),
                  min(k[1] for k in cells), max(k[1] for k in cells))
        keys = [(a, b) for a in range(bounds[0], bounds[1] + 1) for b in range(bounds[2], bounds[3] + 1)]
        values = [self.value(cells[k]) if k in cells else 0 for k in keys]
        return bounds, pack(values, [self.base_value(k, which) for k in keys])

    def overrides(self):
        """Code points whose encoding is not the first cell that decodes to them."""
        inverse = {}
        for b in sorted(self.single):
            if self.single[b] != LEAD:
                inverse.setdefault(self.single[b], bytes([b]))
        for prefix, cells in ((b'', self.two), (b'\x8f', self.three)):
            for key in sorted(cells):
                if len(cells[key]) == 1:
                    inverse.setdefault(ord(cells[key]), prefix + bytes(key))
        out = []
        for cp in range(0x30000):
            if 0xd800 <= cp < 0xe000:
                continue
            try:
                code = chr(cp).encode(self.name)
            except UnicodeEncodeError as e:
                assert (e.start, e.end) == (0, 1)
                code = b''
            if len(code) > 3 or (self.name == 'gb18030' and cp > 0xffff):
                code = b''                             # by rule
            if code != inverse.get(cp, b''):
                out.append((cp, word(code)))
        return out


def word(code):
    """A code in 16 bits; three-byte codes 8F xx yy have the top bit of yy clear."""
    if len(code) == 3:
        assert code[0] == 0x8f and code[2] & 0x80
        return code[1] << 8 | code[2] & 0x7f
    return int.from_bytes(code, 'big')


def pack(values, base):
    out, i, n = [], 0, len(values)

    def length(ok):
        j = i
        while j < n and j - i < 0x3fff and ok(j):
            j += 1
        return j - i
    pending = []

    def flush():
        for k in range(0, len(pending), 0x3fff):
            part = pending[k:k + 0x3fff]
            out.append(LITERAL << 14 | len(part))
            out.extend(part)
        pending.clear()
    while i < n:
        empty = length(lambda j: values[j] == 0)
        same = length(lambda j: values[j] != 0 and values[j] == base[j])
        # a base copy may run over cells that are empty in both
        both = length(lambda j: values[j] == base[j]) if same else 0
        run = length(lambda j: values[j] == values[i] + j - i and values[j]) if values[i] else 0
        if same and both > 1:
            flush(); out.append(BASE << 14 | both); i += both
        elif empty > 1 or (empty and not pending):
            flush(); out.append(SKIP << 14 | empty); i += empty
        elif run > 3:
            flush(); out += [RUN << 14 | run, values[i]]; i += run
        else:
            pending.append(values[i]); i += 1
    flush()
    return out


def ranges_gb18030():
    """(linear index, code point) where the four-byte map of the BMP takes a new turn."""
    out, last = [], None
    for k in range(39420):
        b = bytes([0x81 + k // 12600, 0x30 + k // 1260 % 10, 0x81 + k // 10 % 126, 0x30 + k % 10])
        try:
            cp = ord(b.decode('gb18030'))
        except UnicodeDecodeError:
            cp = None
        if cp is None:
            if last is not None:
                out.append((k, 0xffff))
        elif last is None or cp != last + 1:
            out.append((k, cp))
        last = cp
    out.append((39420, 0xffff))
    return out


def array(f, type_, name, items):
    if not items:
        return
    f.write(f'static const {type_} {name}[] = {{\n')
    line = '   '
    for item in items:
        if len(line) + len(item) > 108:
            f.write(line + '\n')
            line = '   '
        line += ' ' + item + ','
    f.write(line + '\n};\n')


def emit(f, c):
    n = c.name
    bounds2, cells2 = c.stream('two')
    bounds3, cells3 = c.stream('three')
    singles = pack([c.single.get(b, 0) for b in range(256)], [0] * 256)
    overrides = c.overrides()
    ranges = ranges_gb18030() if n == 'gb18030' else []
    array(f, 'uint16_t', f'{n}_singles', [str(w) for w in singles])
    array(f, 'uint16_t', f'{n}_cells', [str(w) for w in cells2])
    array(f, 'uint16_t', f'{n}_cells3', [str(w) for w in cells3])
    array(f, 'CjkExtra', f'{n}_extras', [f'{{{a},{b}}}' for a, b in c.extras])
    array(f, 'CjkOverride', f'{n}_overrides', [f'{{{a},{b}}}' for a, b in overrides])
    array(f, 'uint16_t', f'{n}_span2', [str(w) for w in c.span2])
    array(f, 'CjkRange', f'{n}_ranges', [f'{{{a},{b}}}' for a, b in ranges])
    rule = {'gb18030': 'CJK_GB18030', 'euc_kr': 'CJK_EUC_KR'}.get(n, 'CJK_PLAIN')
    f.write(f'#define CJK_TABLE_{n} \\\n    {{.name = "{n}", .rule = {rule}, .singles = {n}_singles')
    f.write(f', \\\n     .cells = {n}_cells, .bounds = {{{", ".join(map(str, bounds2))}}}')
    if c.base:
        f.write(f', \\\n     .base_module = "_codecs_{CODECS[c.base][0]}", .base = "{c.base}"')
        f.write(f', .transform = CJK_{c.transform}')
    if cells3:
        f.write(f', \\\n     .cells3 = {n}_cells3, .bounds3 = {{{", ".join(map(str, bounds3))}}}')
    for what, items in (('extras', c.extras), ('overrides', overrides), ('span2', c.span2), ('ranges', ranges)):
        if items:
            f.write(f', \\\n     .{what} = {n}_{what}, .n_{what} = {len(items)}')
    f.write('}\n')


ALL = {name: Codec(name) for name in CODECS}
for module in ('cn', 'tw', 'hk', 'jp', 'kr'):
    with open(os.path.join(sys.argv[1], f'_codecs_{module}.inc'), 'w') as f:
        f.write('/* Generated by tools/gencjk.py. */\n')
        for c in ALL.values():
            if c.module == module:
                emit(f, c)

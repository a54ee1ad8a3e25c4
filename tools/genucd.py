"""genucd.py OUT-TABLES OUT-NAMES PERL-UNICORE-DIR: Unicode tables of Naja as C text.

Run it with any Python 3.14 whose unicodedata is the wanted version (Naja itself once it
runs). Character properties are read off the running interpreter's documented behaviour
(str methods, unicodedata); names, aliases and named sequences come from lib/unicore of
Debian's perl-modules-5.42, which is built from the Unicode 16.0 files. The outputs are
committed because a bare machine has neither; regenerate them for a new Unicode version.
SPDX-License-Identifier: MIT
"""
import sys
import unicodedata as ud
from collections import Counter

N = 0x110000
out_tables, out_names, unicore = sys.argv[1:4]

try:
    import ctypes
    api = ctypes.pythonapi
    for f in ("_PyUnicode_ToLowercase", "_PyUnicode_ToUppercase", "_PyUnicode_ToTitlecase"):
        getattr(api, f).restype = ctypes.c_uint32
    simple = (api._PyUnicode_ToLowercase, api._PyUnicode_ToUppercase, api._PyUnicode_ToTitlecase)
except Exception:
    simple = None

CATS = "Cn Lu Ll Lt Mn Mc Me Nd Nl No Zs Zl Zp Cc Cf Cs Co Lm Lo Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So".split()
BIDI = ["", *"L LRE LRO R AL RLE RLO PDF EN ES ET AN CS NSM BN B S WS ON LRI RLI FSI PDI".split()]
EAW = "F H W Na A N".split()

ctypes_recs, ctype_of = {}, []
db_recs, db_of = {}, []
special, special_of = [], {}
nums, num_of = [], {}
decomps, decomp_list = {}, []
old = ud.ucd_3_2_0
old_recs, old_of = {}, []


def special_index(t):
    if t not in special_of:
        special_of[t] = len(special)
        special.append(t)
    return special_of[t]


for c in range(N):
    s = chr(c)
    sur = 0xd800 <= c <= 0xdfff
    cat = ud.category(s)
    f = 0
    f |= s.isalpha() << 0 | s.isdecimal() << 1 | s.isdigit() << 2 | s.isnumeric() << 3
    f |= s.islower() << 4 | s.isupper() << 5 | (cat == "Lt") << 6 | s.isspace() << 7
    if f & 0x40:
        f &= ~0x20   # isupper() of a title-case character is false anyway
    f |= s.isprintable() << 8 | s.isidentifier() << 9 | ("a" + s).isidentifier() << 10
    f |= ((s + "a").title()[-1] == "a") << 11
    final1 = (s + "\u03a3").lower()[-1] == "\u03c2"
    final2 = ("a" + s + "\u03a3").lower()[-1] == "\u03c2"
    f |= (final2 and not final1) << 12
    full = (s.lower() if c != 0x3a3 else "\u03c3", s.upper(), s.title(), s.casefold())
    if simple:
        sm = [g(c) for g in simple]
    else:
        sm = [ord(x) if len(x) == 1 else c for x in full[:3]]
    sp = 0
    fold = ord(full[3]) if len(full[3]) == 1 else c
    if any(len(x) > 1 for x in full) or any(ord(full[i]) != sm[i] for i in range(3)):
        sp = special_index(full) + 1
    dec = ud.decimal(s, 255)
    dig = ud.digit(s, 255)
    num = ud.numeric(s, None)
    ni = 0
    if num is not None:
        if num not in num_of:
            num_of[num] = len(nums)
            nums.append(num)
        ni = num_of[num] + 1
    rec = (f, sm[0] - c, sm[1] - c, sm[2] - c, fold - c, sp, ni, dec, dig)
    ctype_of.append(ctypes_recs.setdefault(rec, len(ctypes_recs)))

    d = ud.decomposition(s)
    di = 0
    if d and not 0xac00 <= c <= 0xd7a3:
        if d not in decomps:
            decomps[d] = len(decomp_list) + 1
            decomp_list.append(d)
        di = decomps[d]
    rec = (CATS.index(cat), BIDI.index(ud.bidirectional(s)), ud.combining(s), ud.mirrored(s),
           EAW.index(ud.east_asian_width(s)), di)
    db_of.append(db_recs.setdefault(rec, len(db_recs)))

    # Unicode 3.2.0: what differs from now; 255 = the same
    o = [255, 255, 255, 255, 0, -1]
    oc = old.category(s)
    if oc == "Cn":
        o = [0, 0, 0, 0, 0, -1] if cat != "Cn" else o
    else:
        if oc != cat: o[0] = CATS.index(oc)
        if old.bidirectional(s) != ud.bidirectional(s): o[1] = BIDI.index(old.bidirectional(s))
        if old.mirrored(s) != ud.mirrored(s): o[2] = old.mirrored(s)
        if old.east_asian_width(s) != ud.east_asian_width(s): o[3] = EAW.index(old.east_asian_width(s))
        onum = old.numeric(s, None)
        if onum != num:
            if onum is None:
                o[5] = 0
            else:
                if onum not in num_of:
                    num_of[onum] = len(nums)
                    nums.append(onum)
                o[5] = num_of[onum] + 1
        if old.decimal(s, 255) != dec: o[4] = 1
    old_of.append(old_recs.setdefault(tuple(o), len(old_recs)))

# canonical compositions
comps = []
for c in range(N):
    d = ud.decomposition(chr(c))
    if d and "<" not in d:
        p = [int(x, 16) for x in d.split()]
        if len(p) == 2 and ud.normalize("NFC", chr(p[0]) + chr(p[1])) == chr(c):
            comps.append((p[0], p[1], c))
comps.sort()
# 3.2.0 normalization corrections: decompositions that were different
fixes = []
for c in range(N):
    a, b = old.normalize("NFD", chr(c)), ud.normalize("NFD", chr(c))
    if a != b and old.category(chr(c)) != "Cn":
        fixes.append((c, [ord(x) for x in a]))


def trie(name, of):
    shift = 7
    size = 1 << shift
    blocks, index, data = {}, [], []
    for i in range(0, N, size):
        b = tuple(of[i:i + size])
        if b not in blocks:
            blocks[b] = len(data) >> shift
            data.extend(b)
        index.append(blocks[b])
    ty = lambda v: "uint8_t" if max(v) < 256 else "uint16_t"
    emit(f"static const {ty(index)} {name}_index[] = {{", index)
    emit(f"static const {ty(data)} {name}_data[] = {{", data)


def emit(head, values, fmt=str):
    w.write(head + "\n")
    line = ""
    for v in values:
        t = fmt(v) + ","
        if len(line) + len(t) > 96:
            w.write(line + "\n")
            line = ""
        line += t
    w.write(line + "\n};\n")


with open(out_tables, "w") as w:
    w.write("/* made by tools/genucd.py; Unicode %s; do not edit */\n" % ud.unidata_version)
    w.write('#define UCD_VERSION "%s"\n' % ud.unidata_version)
    emit("static const CharRecord char_records[] = {", ctypes_recs, lambda r: "{%s}" % ",".join(map(str, r)))
    trie("char", ctype_of)
    def sp(t):
        return "{%s}" % ",".join("%d,{%s}" % (len(x), ",".join(str(ord(y)) for y in x)) for x in t)
    emit("static const SpecialCase special_cases[] = {", special, sp)
    emit("static const double numeric_values[] = {", nums, repr)
with open(out_tables.replace("ucd_tables", "ucd_database"), "w") as w:
    w.write("/* made by tools/genucd.py; Unicode %s; do not edit */\n" % ud.unidata_version)
    emit("static const char *const category_names[] = {", CATS, lambda x: '"%s"' % x)
    emit("static const char *const bidi_names[] = {", BIDI, lambda x: '"%s"' % x)
    emit("static const char *const width_names[] = {", EAW, lambda x: '"%s"' % x)
    emit("static const DbRecord db_records[] = {", db_recs, lambda r: "{%s}" % ",".join(map(str, r)))
    trie("db", db_of)
    emit("static const OldRecord old_records[] = {", old_recs, lambda r: "{%s}" % ",".join(map(str, r)))
    trie("old", old_of)
    # decompositions: tag index, length, code points
    tags = [""]
    data, starts = [], [0]
    for d in decomp_list:
        parts = d.split()
        tag = ""
        if parts[0].startswith("<"):
            tag = parts.pop(0)
        if tag not in tags:
            tags.append(tag)
        starts.append(len(data))
        data.append(tags.index(tag) << 8 | len(parts))
        data.extend(int(x, 16) for x in parts)
    emit("static const char *const decomp_tags[] = {", tags, lambda x: '"%s"' % x)
    emit("static const uint16_t decomp_start[] = {", starts)
    emit("static const uint32_t decomp_data[] = {", data)
    emit("static const uint32_t compositions[][3] = {", comps, lambda t: "{%d,%d,%d}" % t)
    emit("static const OldDecomp old_decomps[] = {", fixes,
         lambda t: "{%d,%d,{%s}}" % (t[0], len(t[1]), ",".join(map(str, t[1]))))

# ---- names
names, aliases, seqs = {}, [], []
text = open(unicore + "/Name.pl").read()
body = text.split("return <<'END';\n")[1].split("\nEND\n")[0]
for entry in body.split("\n\n"):
    lines = entry.split("\n")
    if len(lines) < 2:
        continue
    codes = [int(x, 16) for x in lines[0].split()]
    name = lines[1]
    if len(codes) > 1:
        seqs.append((name, codes))
    elif codes[0] < N:
        c = codes[0]
        real = ud.name(chr(c), None)
        if name == real:
            names[c] = name
        else:
            aliases.append((name, c))
# algorithmic names are computed; keep those only that are not
def algorithmic(c, name):
    return name.startswith(("CJK UNIFIED IDEOGRAPH-", "HANGUL SYLLABLE ")) or name == ""
for c in range(N):
    n = ud.name(chr(c), None)
    if n is not None and not algorithmic(c, n):
        names[c] = n
cjk = []
for c in range(N):
    n = ud.name(chr(c), "")
    if n.startswith("CJK UNIFIED IDEOGRAPH-"):
        if cjk and cjk[-1][1] == c - 1:
            cjk[-1][1] = c
        else:
            cjk.append([c, c])
def known(name, codes):
    try:
        return ud.lookup(name) == "".join(map(chr, codes))
    except KeyError:
        return False
aliases = [(n, [c]) for n, c in aliases if known(n, [c])]
seqs = [(n, cs) for n, cs in seqs if known(n, cs)]
words = Counter(x for n in names.values() for x in n.split(" "))
order = [x for x, _ in words.most_common()]
windex = {x: i for i, x in enumerate(order)}
SHORT = 160
data, code_start = [], {}
for c in sorted(names):
    code_start[c] = len(data)
    ws = [windex[x] for x in names[c].split(" ")]
    for i, k in enumerate(ws):
        if k < SHORT:
            data.append(k)
        else:
            k -= SHORT
            assert k < (255 - SHORT) * 256
            data += [SHORT + (k >> 8), k & 255]
    data.append(255)
blocks, idx = {}, []
flat = []
SH = 6
for i in range(0, N, 64):
    b = tuple(code_start.get(c, -1) + 1 for c in range(i, i + 64))
    if not any(b):
        idx.append(0)
        continue
    idx.append(len(flat) // 64 + 1)
    flat.extend(b)
with open(out_names, "w") as w:
    w.write("/* made by tools/genucd.py; Unicode %s; do not edit */\n" % ud.unidata_version)
    w.write("#define NAME_SHORT %d\n" % SHORT)
    w.write("static const char name_words[] =\n")
    starts, pos, line = [], 0, ""
    for x in order:
        starts.append(pos)
        pos += len(x)
        line += x
        if len(line) > 90:
            w.write('"%s"\n' % line)
            line = ""
    starts.append(pos)
    w.write('"%s";\n' % line)
    emit("static const uint32_t name_word_start[] = {", starts)
    emit("static const uint8_t name_data[] = {", data)
    emit("static const uint16_t name_index[] = {", idx)
    emit("static const uint32_t name_start[] = {", flat)
    emit("static const uint32_t names_sorted[] = {", sorted(names, key=lambda c: names[c]))
    emit("static const uint32_t cjk_ranges[][2] = {", cjk, lambda t: "{%d,%d}" % tuple(t))
    extra = sorted(aliases + seqs)
    emit("static const NameExtra name_extras[] = {", extra,
         lambda t: '{"%s",%d,{%s}}' % (t[0], len(t[1]), ",".join(map(str, t[1]))))
print(len(ctypes_recs), len(special), len(nums), len(db_recs), len(old_recs), len(decomp_list),
      len(comps), len(fixes), len(names), len(order), len(data), len(aliases), len(seqs), len(cjk))

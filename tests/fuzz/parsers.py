"""parsers.py - the kinds of tests/fuzz/worker.py that feed outside data to native modules.

KINDS maps a name to a function f(rng, remember): makes one input, hands it to remember, tries it. Exceptions may come
out, nothing else. Inputs are mutations of valid data, so that they get past the first checks.
"""
import array
import binascii
import codecs
import csv
import datetime
import decimal
import encodings.aliases
import fractions
import gzip
import io
import itertools
import json
import pickle
import struct
import sys


def optional(name):
    try:
        return __import__(name, fromlist=['x'])
    except ImportError:
        return None


def flip(rng, data):
    """Valid bytes with some of them changed, taken out, put in, or doubled."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        at = rng.randrange(len(data))
        how = rng.randrange(7)
        if how == 0:
            data[at] = rng.randrange(256)
        elif how == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 2:
            del data[at:at + rng.choice((1, 4, 50))]
        elif how == 3:
            data[at:at] = rng.randbytes(rng.choice((1, 4, 8)))
        elif how == 4:
            data[at:at] = data[at:at + rng.choice((1, 8, 40))]
        elif how == 5:
            data[at:at + 4] = struct.pack('<i', rng.choice((-1, 0, 1, 0x7fffffff, -0x80000000, 255, 65536)))
        else:
            del data[at:]
    return bytes(data)


def pieces(rng, data):
    while data:
        n = rng.choice((1, 2, 7, 64, 1000))
        yield data[:n]
        data = data[n:]


LETTERS = 'aAbBzZ019 _-+.,:;"\'\\/%()[]{}<>=&#*?!|^$~\n\t\r\0éßÿİıſſ߀٣۵Ⅷ½𝟘𐐀😀\ud800\udfff\u2028\u200d\ufeff\U0010ffff'


def text(rng, most=30, letters=LETTERS):
    return ''.join(rng.choice(letters) for _ in range(rng.randrange(most + 1)))


# --- regular expressions -----------------------------------------------------------------

def pattern(rng, depth=0):
    parts = []
    for _ in range(rng.randrange(1, 5)):
        how = rng.randrange(16 if depth < 4 else 7)
        if how < 3:
            p = rng.choice(('a', 'b', 'ab', 'A', '.', 'é', 'ſ', 'K', '\\.', '\\n', '\\x41', '\\0', ' ', '😀', 'ß', '\\101'))
        elif how == 3:
            p = rng.choice(('\\d', '\\D', '\\w', '\\W', '\\s', '\\S', '\\b', '\\B', '\\A', '\\Z', '\\z', '^', '$', '\\1', '\\2',
                            '\\9', '(?P=n)'))
        elif how < 7:
            p = '[' + rng.choice(('', '^')) + ''.join(rng.choice((
                'a', 'a-z', 'A-Z', '0-9', '\\d', '\\W', '\\s', 'é', 'ſ', 'à-ÿ', '\\]', '-', 'Ā-\u2fff', '😀-😎', '[', '&&', '--', '\\x00-\\x1f'
            )) for _ in range(rng.randrange(1, 5))) + ']'
        elif how < 12:
            p = rng.choice(('(', '(', '(?:', '(?=', '(?!', '(?<=', '(?<!', '(?>', '(?P<n>', '(?i:', '(?s-i:', '(?a:', '(?u:',
                            '(?L:', '(?x:', '(?(1)', '(?(n)')) + pattern(rng, depth + 1) + ')'
        elif how < 14:
            p = '(?:' + pattern(rng, depth + 1) + '|' + pattern(rng, depth + 1) + ')'
        else:
            p = '(' + pattern(rng, depth + 1) + '|' + ')'
        if rng.random() < 0.45:
            p += rng.choice(('*', '+', '?', '{2}', '{0,3}', '{1,}', '{,2}', '{0}', '{3,70000}', '{4294967295}'))
            p += rng.choice(('', '', '?', '+'))
        parts.append(p)
    return ''.join(parts)


def subject(rng):
    return ''.join(rng.choice(('a', 'b', 'A', 'ab', ' ', '\n', '1', 'é', 'É', 'ſ', 's', 'K', 'k', '😀', 'ß', '\0', 'x' * 9, '_'))
                   for _ in range(rng.randrange(25)))


def try_pattern(rng, p, s):
    how = rng.randrange(8)
    a, b = rng.choice(((0, sys.maxsize), (1, 5), (-3, 2), (7, 3), (0, 4)))
    if how == 0:
        p.findall(s, a, b)
    elif how == 1:
        p.split(s, rng.choice((0, 1, 3)))
    elif how == 2:
        new = rng.choice(('', 'x', '\\g<0>', '\\1', '\\g<n>', 'é\\2'))
        p.sub(new.encode() if isinstance(s, bytes) else new, s)
    elif how == 3:
        p.subn(lambda m: m[0] * 2, s)
    else:
        m = (p.match, p.search, p.fullmatch, lambda *q: next(p.finditer(*q)))[how - 4](s, a, b)
        if m:
            m.groups(), m.groupdict(), m.regs, m.lastgroup, repr(m), m.span(rng.choice((0, p.groups)))
            m.expand('\\1' if isinstance(s, str) else b'\\1')


def run_re(rng, remember):
    import re
    p, s = pattern(rng), subject(rng)
    if rng.random() < 0.1:
        at = rng.randrange(len(p) + 1)
        p = p[:at] + rng.choice('()[]{}?*+|\\^$-:=!<>P#') + p[at:]
    flags = 0
    for f in (re.I, re.M, re.S, re.X, re.A):
        if rng.random() < 0.2:
            flags |= f
    if rng.random() < 0.3:
        p, s = p.encode('latin-1', 'ignore'), s.encode('latin-1', 'ignore')
        if rng.random() < 0.2:
            flags |= re.L
        flags &= ~re.A
    remember(repr((p, flags, s)).encode('utf-8', 'surrogatepass'))
    re.purge()
    try_pattern(rng, re.compile(p, flags), s)


def run_sre(rng, remember):
    """The engine's own code, changed: _sre.compile checks what it is given."""
    import _sre
    import re
    from re import _compiler, _parser
    text_pattern, s = pattern(rng), subject(rng)
    parsed = _parser.parse(text_pattern, rng.choice((0, re.I, re.S)))
    code = _compiler._code(parsed, parsed.state.flags)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(code))
        how = rng.randrange(4)
        if how == 0:
            code[at] = rng.choice((0, 1, 2, 3, 255, 65535, 4294967295, rng.randrange(50)))
        elif how == 1:
            code[at] = max(0, code[at] + rng.choice((-1, 1, 2, -2)))
        elif how == 2:
            del code[at]
        else:
            code.insert(at, rng.randrange(50))
        if not code:
            break
    groups = parsed.state.groups - 1
    remember(repr((text_pattern, code, groups, s)).encode('utf-8', 'surrogatepass'))
    p = _sre.compile(text_pattern, parsed.state.flags, code, max(0, groups + rng.choice((0, 0, 0, -1, 1))), {}, (None,) * (groups + 1))
    try_pattern(rng, p, s)


# --- pickle, json, struct ----------------------------------------------------------------

class Plain:
    pass


class Slots:
    __slots__ = ('a', 'b')


def samples(rng):
    shared = [1, 'x']
    obj = Plain()
    obj.a, obj.b = shared, {'k': obj}
    slots = Slots()
    slots.a = 1
    return rng.choice((
        [1, -1, 255, 65536, 1 << 31, 1 << 100, -(1 << 2100)], {'a': shared, 'b': shared, 3: (1, 2, 3, 4)}, {1, 2, 'x'},
        frozenset('ab'), obj, slots, [None, True, False, 1.5, float('inf'), 2j], b'bytes' * 60, bytearray(b'xy'), 'é😀\ud800',
        'long' * 100, datetime.datetime(2020, 1, 2, 3, 4, 5, 6, datetime.timezone.utc), decimal.Decimal('1.5'),
        fractions.Fraction(1, 3), array.array('i', range(5)), range(3), slice(1, 2), Plain, len, (), [[[[]]]], shared * 50,
        __import__('collections').OrderedDict(a=1), __import__('collections').deque([1, 2], 3), itertools.count,
        {i: str(i) for i in range(1100)}, ValueError('x', 1), __import__('collections').Counter('aab'), pickle.PickleBuffer(b'oob')))


class Careful(pickle.Unpickler):
    def find_class(self, module, name):
        if module in ('__main__', 'parsers', 'datetime', 'decimal', 'fractions', 'array', 'collections', 'itertools', '_pickle') or (
                module in ('builtins', 'copyreg', '__builtin__', 'copy_reg') and name in (
                    'range', 'slice', 'set', 'frozenset', 'bytearray', 'complex', 'len', 'object', '_reconstructor', 'ValueError',
                    '__newobj__', 'list', 'dict', 'getattr', 'int', 'str')):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(name)

    def persistent_load(self, pid):
        return pid


OPCODES = bytes(v[0] for k, v in vars(pickle).items() if k.isupper() and isinstance(v, bytes) and len(v) == 1)


def run_pickle(rng, remember):
    buffers = []
    protocol = rng.randrange(6)
    value = samples(rng)
    data = pickle.dumps(value, protocol, buffer_callback=buffers.append if protocol == 5 else None)
    data = bytearray(flip(rng, data))
    for _ in range(rng.choice((0, 1, 3))):
        at = rng.randrange(len(data) + 1)
        data[at:at] = bytes([rng.choice(OPCODES)])
    if rng.random() < 0.05:
        data = bytes(rng.choice(OPCODES) for _ in range(30)) + b'.'
    remember(bytes(data))
    u = Careful(io.BytesIO(data), encoding=rng.choice(('ASCII', 'latin-1', 'bytes')), fix_imports=rng.random() < 0.5,
                errors=rng.choice(('strict', 'replace')), buffers=buffers if rng.random() < 0.5 else None)
    result = u.load()
    repr(u.memo)
    pickle.dumps(result, rng.randrange(6))


def run_json(rng, remember):
    value = rng.choice((
        {'a': [1, -2.5e10, True, None, 'é\u2028😀'], 'b': {'': []}, 'c': 'x' * 50}, [[[[1]]]] * 3, 'q\\"\n', 1e308, -0.0,
        {'k%d' % i: i for i in range(20)}))
    data = json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, 1))).encode()
    data = flip(rng, data)
    if rng.random() < 0.2:
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.choice((b'\\ud83d\\ude00', b'\\ud83d', b'\\u12', b'NaN', b'-Infinity', b'1E400', b'-', b'[' * 5000, b'9' * 5000,
                                       b'{"a":' * 3000)) + data[at:]
    remember(data)
    given = rng.choice((data, data.decode('utf-8', 'surrogatepass') if rng.random() < 0.5 else data.decode('latin-1')))
    options = rng.choice(({}, {'strict': False}, {'parse_float': decimal.Decimal}, {'object_pairs_hook': list},
                          {'parse_int': str}, {'object_hook': dict.keys}, {'parse_constant': str}))
    result = json.loads(given, **options)
    json.dumps(result, sort_keys=True, default=list)
    codecs.decode(json.encoder.encode_basestring_ascii(text(rng)), 'unicode_escape')
    json.decoder.scanstring(text(rng) + '"', rng.choice((0, 1, 5)))


def run_struct(rng, remember):
    fmt = rng.choice(('', '@', '=', '<', '>', '!')) + ''.join(
        rng.choice(('', '', '0', '1', '3', '17', ' ', '99999999999999999999', '9223372036854775807')) +
        rng.choice('xcbB?hHiIlLqQnNefdFDspPz') for _ in range(rng.randrange(6)))
    data = rng.randbytes(rng.randrange(80))
    remember(repr((fmt, data)).encode())
    s = struct.Struct(fmt)
    how = rng.randrange(4)
    if how == 0:
        list(s.iter_unpack(data))
    elif how == 1 and s.size < 10000:
        s.unpack(data.ljust(s.size, b'q')[:s.size])
    elif how == 2:
        s.unpack_from(data, rng.choice((0, 1, -1, -len(data), sys.maxsize, -sys.maxsize - 1)))
    elif s.size < 10000:
        values = [rng.choice((0, 1, -1, 1 << 63, -1 << 63, 1.5, 1e300, float('nan'), b'x', b'', b'abc' * 100, True, None, 2j, 'x'))
                  for _ in range(rng.randrange(7))]
        s.pack_into(bytearray(100), rng.choice((0, 3, -1, -100, 99, sys.maxsize)), *values)
    a = array.array(rng.choice('bBhHiIlLqQfduw'))
    a.frombytes(data)
    memoryview(data).cast(rng.choice(('b', 'H', 'd', '<i', '?', 'P'))).tolist()


# --- XML ---------------------------------------------------------------------------------

XML = (b'<?xml version="1.0" encoding="utf-8"?><!DOCTYPE r [<!ELEMENT r (a|b)*><!ATTLIST r k CDATA "d"><!ENTITY e "text">'
       b'<!ENTITY f SYSTEM "x.xml"><!NOTATION n PUBLIC "p">]><r k="v" xml:lang="en"><a x=\'1\'>t&e;&amp;&#65;&f;</a><!-- c --><?pi d?>'
       b'<b><![CDATA[<x>]]></b><n:c xmlns:n="urn:x" n:y="2"/>tail\xc3\xa9</r>',
       '<?xml version="1.0" encoding="utf-16"?><a>é</a>'.encode('utf-16'), b'<?xml version="1.0" encoding="koi8-r"?><a>\xc1\xc2</a>',
       b'<a>' * 300 + b'</a>' * 300, b'<?xml version="1.0" encoding="iso-8859-1" standalone="yes"?><a b="\xe9">\xff</a>',
       b'<!DOCTYPE a [<!ENTITY % p "<!ENTITY q \'r\'>">%p;<!ELEMENT a ((b,c?)+|d*)>]><a>&q;</a>')


def run_xml(rng, remember):
    pyexpat = optional('pyexpat')
    data = flip(rng, rng.choice(XML))
    remember(data)
    if pyexpat and rng.random() < 0.5:
        p = pyexpat.ParserCreate(rng.choice((None, 'utf-8', 'iso-8859-1', 'cp1252', 'big5')), rng.choice((None, ' ', '')),
                                 intern=rng.choice((None, {})))
        p.buffer_text, p.ordered_attributes = rng.random() < 0.5, rng.random() < 0.5
        p.namespace_prefixes = rng.random() < 0.5
        p.specified_attributes = rng.random() < 0.5
        if rng.random() < 0.5:
            p.buffer_size = rng.choice((1, 10, 10000))
        p.SetParamEntityParsing(rng.randrange(3))
        p.UseForeignDTD(rng.random() < 0.3)
        seen = []

        def handler(name):
            def f(*args):
                seen.append(args)
                if rng.random() < 0.02:
                    setattr(p, rng.choice(names), rng.choice((None, f)))
                if rng.random() < 0.01:
                    raise ValueError(name)
                p.CurrentLineNumber, p.CurrentByteIndex, p.GetInputContext()
                if name == 'ExternalEntityRefHandler':
                    sub = p.ExternalEntityParserCreate(args[0])
                    sub.Parse(b'<z>q</z>', True)
                return 1
            return f
        names = [n for n in dir(p) if n.endswith('Handler')]
        for n in names:
            if rng.random() < 0.8:
                setattr(p, n, handler(n))
        for piece in pieces(rng, data):
            p.Parse(piece, False)
        p.Parse(b'', True)
        return
    import xml.etree.ElementTree as ET
    how = rng.randrange(3)
    if how == 0:
        parser = ET.XMLPullParser(('start', 'end', 'comment', 'pi', 'start-ns', 'end-ns'))
        for piece in pieces(rng, data):
            parser.feed(piece)
            list(parser.read_events())
        parser.close()
    else:
        builder = ET.TreeBuilder(insert_comments=rng.random() < 0.5, insert_pis=rng.random() < 0.5)
        parser = ET.XMLParser(target=builder if how == 1 else None)
        for piece in pieces(rng, data):
            parser.feed(piece)
        root = parser.close()
        for e in root.iter():
            e.get('k'), e.find('.//a'), e.findall('*'), e.findtext('b'), list(e.itertext())
            if rng.random() < 0.1:
                e[:rng.choice((0, 1, 2))] = [ET.Element('z')] * rng.choice((0, 1, 3))
        __import__('copy').deepcopy(root)
        pickle.loads(pickle.dumps(root))
        ET.tostring(root)


# --- compressed data ---------------------------------------------------------------------

def run_compress(rng, remember):
    plain = rng.choice((b'', b'a' * 100000, bytes(range(256)) * 8, rng.randbytes(500), text(rng, 300).encode('utf-8', 'surrogatepass')))
    which = rng.choice(('zlib', 'raw', 'gzip', 'bz2', 'lzma', 'alone', 'rawlzma', 'zstd'))
    zlib, bz2, lzma, zstd = optional('zlib'), optional('bz2'), optional('lzma'), optional('compression.zstd')
    filters = [{'id': 3, 'dist': 4}, {'id': 0x21, 'preset': 1}]
    if which in ('zlib', 'raw', 'gzip') and zlib:
        bits = {'zlib': 15, 'raw': -15, 'gzip': 31}[which]
        words = rng.choice((b'', b'dictionary'))
        c = zlib.compressobj(rng.randrange(10), wbits=bits, zdict=words) if words and bits != 31 else zlib.compressobj(wbits=bits)
        data = flip(rng, c.compress(plain) + c.flush())
        remember(which.encode() + data)
        if rng.random() < 0.3:
            zlib.decompress(data, bits, rng.choice((1, 100, 16384)))
        elif which == 'gzip' and rng.random() < 0.5:
            gzip.decompress(data)
            gzip.GzipFile(fileobj=io.BytesIO(data)).read()
        else:
            d = zlib.decompressobj(bits, zdict=words) if words and bits != 31 else zlib.decompressobj(bits)
            for piece in pieces(rng, data):
                d.decompress(d.unconsumed_tail + piece, rng.choice((0, 1, 1000)))
                if rng.random() < 0.1:
                    d = d.copy()
            d.flush(rng.choice((1, 100)))
            z = zlib._ZlibDecompressor(bits)
            for piece in pieces(rng, data):
                z.decompress(piece, rng.choice((-1, 1, 1000)))
        return
    if which == 'bz2' and bz2:
        data, d = flip(rng, bz2.compress(plain, rng.randrange(1, 10))), bz2.BZ2Decompressor()
    elif which == 'lzma' and lzma:
        data = flip(rng, lzma.compress(plain, preset=rng.randrange(3), check=rng.choice((-1, 0, 1, 4, 10))))
        d = lzma.LZMADecompressor(memlimit=1 << 27)
    elif which == 'alone' and lzma:
        data, d = flip(rng, lzma.compress(plain, lzma.FORMAT_ALONE, preset=0)), lzma.LZMADecompressor(memlimit=1 << 27)
    elif which == 'rawlzma' and lzma:
        data = flip(rng, lzma.compress(plain, lzma.FORMAT_RAW, filters=filters))
        d = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
        lzma._decode_filter_properties(rng.choice((3, 4, 0x21, 5)), flip(rng, lzma._encode_filter_properties(filters[1])))
    elif which == 'zstd' and zstd:
        data, d = flip(rng, zstd.compress(plain, rng.choice((-1, 1, 5)))), zstd.ZstdDecompressor()
        if rng.random() < 0.3:
            remember(b'info' + data)
            zstd.get_frame_info(data), zstd.get_frame_size(data), zstd.ZstdDict(data, is_raw=rng.random() < 0.5)
    else:
        return
    remember(which.encode() + data)
    for piece in pieces(rng, data):
        if d.eof:
            break
        d.decompress(piece if d.needs_input else b'', rng.choice((-1, 0, 1, 1000)))
    d.unused_data


# --- dates, numbers, text ----------------------------------------------------------------

DATES = ('2020-02-29', '20200229', '2020-W09-6', '2020W096', '2020-02-29T12:34:56.789012+05:30', '20200229T123456,789Z',
         '2020-02-29 24:00:00', '12:34', '1234', 'T12:34:56.1234567891-00:00:01.5', '9999-12-31T23:59:59.999999', '0001-01-01',
         '2020-02-29T12:34:56+23:59:59.999999', '2020-060', '0000-00-00')
FORMATS = ('%Y-%m-%d', '%y%j %U %w', '%G-W%V-%u', '%a %A %b %B', '%I:%M:%S %p', '%f %z %Z', '%c', '%x %X', '%%', '%D %T', '%:z', '%s', '%e', '%n')


def mutated(rng, s, letters=LETTERS + '0123456789'):
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        at = rng.randrange(len(s) + 1)
        s = rng.choice((s[:at] + s[at + 1:], s[:at] + rng.choice(letters) + s[at:], s[:at] + rng.choice(letters) + s[at + 1:],
                        s[:at] + s[at:at + 5] * 2 + s[at + 5:]))
    return s


def run_datetime(rng, remember):
    s, fmt = mutated(rng, rng.choice(DATES)), mutated(rng, ' '.join(rng.choices(FORMATS, k=rng.randrange(1, 4))))
    how = rng.randrange(9)
    remember(repr((how, s, fmt)).encode('utf-8', 'surrogatepass'))
    cls = rng.choice((datetime.date, datetime.datetime, datetime.time))
    if how < 4:
        cls.fromisoformat(s).isoformat()
    elif how == 4:
        when = datetime.datetime(rng.choice((1, 1000, 1970, 9999)), 1, 2, 3, 4, 5, 6, datetime.timezone(datetime.timedelta(0, rng.randrange(-86399, 86400), 5)))
        when.strftime(fmt), format(when.date(), fmt), when.time().strftime(fmt)
    elif how == 5:
        when = datetime.datetime(2020, 2, 29, 12, 34, 56, 789)
        valid = ' '.join(rng.choices(FORMATS[:9], k=2))
        datetime.datetime.strptime(mutated(rng, when.strftime(valid)), valid if rng.random() < 0.7 else fmt)
        import _strptime
        _strptime._regex_cache.clear()
    elif how == 6:
        state = flip(rng, pickle.dumps(rng.choice((datetime.date(1, 2, 3), datetime.datetime.max, datetime.time(1, 2, fold=1),
                                                    datetime.timedelta(5, 6, 7), datetime.timezone(datetime.timedelta(1 / 7)))), rng.choice((2, 4))))
        repr(Careful(io.BytesIO(state)).load())
        cls(rng.randbytes(rng.choice((4, 6, 10))))
    elif how == 7:
        huge = rng.choice((0, 1, -1, 1e9, 1e18, -1e18, 1 << 62, float('nan'), float('inf'), 1e308, 0.5, -0.9999999))
        td = datetime.timedelta(rng.choice((0, 999999999, -999999999, 1)), rng.randrange(86400), rng.randrange(10**6))
        op = rng.randrange(6)
        (lambda: td * huge, lambda: td / huge, lambda: td // datetime.timedelta(0, 0, 1), lambda: datetime.datetime.fromtimestamp(huge),
         lambda: datetime.datetime.max + td, lambda: divmod(td, td + td))[op]()
    else:
        iso = [rng.choice((-1, 0, 1, 53, 7, 9999, 10000, 1 << 70)) for _ in range(3)]
        datetime.date.fromisocalendar(*iso)


def run_zoneinfo(rng, remember):
    import zoneinfo
    times = sorted(rng.randrange(-1 << 31, 1 << 31) for _ in range(rng.randrange(6)))
    head = struct.pack('>4sc15x6l', b'TZif', b'2', 0, 0, 0, len(times), 2, 8)
    head2 = head + b''.join(struct.pack('>l', t) for t in times) + bytes(rng.randrange(2) for _ in times)
    types = struct.pack('>lbb', 3600, 0, 0) + struct.pack('>lbb', 7200, 1, 4) + b'CET\0CES\0'
    v2 = head + b''.join(struct.pack('>q', t) for t in times) + bytes(rng.randrange(2) for _ in times)
    footer = mutated(rng, rng.choice(('CET-1CEST,M3.5.0,M10.5.0/3', '<+0330>-3:30', 'EST5EDT4,0/0,J365/25', 'UTC0', 'AAA3BBB,J60/-167:30,M2.1.1/167'))).encode(
        'utf-8', 'surrogatepass')
    data = head2 + types + v2 + types + b'\n' + footer + b'\n'
    if rng.random() < 0.7:
        data = flip(rng, data)
    remember(data)
    z = zoneinfo.ZoneInfo.from_file(io.BytesIO(data), key=rng.choice((None, 'x')))
    for when in (datetime.datetime(1900, 1, 1), datetime.datetime(2000, 7, 1, 2, 30, fold=1), datetime.datetime.max, datetime.datetime.min):
        z.utcoffset(when), z.dst(when), z.tzname(when)
        z.fromutc(when.replace(tzinfo=z))


NUMBERS = ('0', '-1', '1_000', '0x1F', '0b101', '0o17', '1e10', '-1.5E-300', 'inf', '-nan', 'infinity', '1e400', '٣٤', '𝟘𝟙', ' 12 ', '0x1.8p3',
           '-0x.1p-1074', '0x1p1024', '1+2j', '(1-infj)', 'nanj', '9' * 40, '1' * 5000, '0.' + '0' * 400 + '1', '4.9e-324', '2.2250738585072011e-308',
           '1/3', 'sNaN123', '1E+999999999999999999', '-0', '1__0', 'ⅷ', '½')
SPECS = ('d', '>10', '*^+#020_x', '.5f', ',.2e', '=+08g', 'n', '%', 'c', '<<', '.3s', 'z.0f', '0=30,', '_b', ' ,.10%', '.999999999999f', '99999999999999999999d')


def run_number(rng, remember):
    s, spec = mutated(rng, rng.choice(NUMBERS)), mutated(rng, rng.choice(SPECS))
    how = rng.randrange(9)
    remember(repr((how, s, spec)).encode('utf-8', 'surrogatepass'))
    if how == 0:
        int(rng.choice((s, s.encode('utf-8', 'surrogatepass'))), rng.choice((0, 2, 8, 10, 16, 36, 32, 7)))
    elif how == 1:
        repr(float(rng.choice((s, s.encode('utf-8', 'surrogatepass'), bytearray(s.encode('utf-8', 'surrogatepass'))))))
    elif how == 2:
        repr(complex(s))
    elif how == 3:
        float.fromhex(s).hex()
    elif how == 4:
        d = decimal.Decimal(s)
        format(d, spec), d.to_eng_string(), d.as_tuple(), hash(d)
    elif how == 5:
        fractions.Fraction(s)
    elif how == 6:
        format(rng.choice((0, -5, 1 << 80, 1.5, -1e300, float('nan'), 2j, True, 'é😀x', 1e-5)), spec)
    elif how == 7:
        value = rng.choice((1, -(1 << 70), 1.5, 'é', b'x', None, (1, 2), {'a': 1}, float('inf')))
        conversion = mutated(rng, rng.choice(('%d', '%-10.3s', '%#x', '%+e', '%(a)r', '%*d', '%.*f', '%c', '%%', '%999999999999d', '%5i|%a')))
        remember(repr((conversion, value)).encode('utf-8', 'surrogatepass'))
        conversion % value
        conversion.encode('utf-8', 'surrogatepass') % value
    else:
        f = mutated(rng, rng.choice(('{}', '{0!r:>{1}}', '{a.b[c]}', '{{}}', '{0[0]}{1!s}', '{:{}.{}}')))
        remember(repr(f).encode('utf-8', 'surrogatepass'))
        f.format('x', 5, 3, a=Plain)


ENCODINGS = sorted(set(encodings.aliases.aliases.values()) - {'mbcs', 'oem', 'cp65001'}) + [
    'unicode_escape', 'raw_unicode_escape', 'utf_8_sig', 'idna', 'punycode', 'utf_16_ex', 'undefined']
ERRORS = ('strict', 'ignore', 'replace', 'backslashreplace', 'surrogateescape', 'surrogatepass', 'xmlcharrefreplace', 'namereplace', 'fuzz')
SOUP = (b'\x1b$B', b'\x1b(J', b'\x1b$)A', b'\x0e', b'\x0f', b'~{', b'~}', b'\\N{DASH}', b'\\U0010ffff', b'\\ud800', b'+AGE-', b'\xed\xa0\x80', b'\xff\xfe',
        b'\xf4\x8f\xbf\xbf', b'\x00\xd8', b'xn--', b'=41', b'begin 644 x\n', b'\x81\x30\x81\x30', b'\x8f\xa2\xb7', b'\xfe\xff')


def odd_handler(e):
    """An error handler that answers with odd replacements and positions."""
    rng = odd_handler.rng
    if rng.random() < 0.1:
        raise e
    new = rng.choice(('', '?', 'é', '😀' * 5, '\ud800', b'?', b'\xff\x00', 5))
    return new, rng.choice((e.end, e.start + 1, -1, len(e.object), e.end, 0 if rng.random() < 0.05 else e.end, 10**9))


codecs.register_error('fuzz', odd_handler)


def run_codecs(rng, remember):
    odd_handler.rng = rng
    enc, errors = rng.choice(ENCODINGS), rng.choice(ERRORS)
    s = text(rng)
    data = b''.join(rng.choice((rng.randbytes(rng.randrange(1, 4)), rng.choice(SOUP), b'a')) for _ in range(rng.randrange(12)))
    if rng.random() < 0.4:
        try:
            data = flip(rng, codecs.encode(s, enc, 'replace'))
        except Exception:
            pass
    remember(repr((enc, errors, data, s)).encode('utf-8', 'surrogatepass'))
    how = rng.randrange(6)
    if how < 2:
        codecs.decode(data, enc, errors)
    elif how == 2:
        codecs.encode(s, enc, errors)
    elif how == 3:
        d = codecs.getincrementaldecoder(enc)(errors)
        for piece in pieces(rng, data):
            d.decode(piece)
            d.setstate(d.getstate())
        d.decode(b'', True)
    elif how == 4:
        e = codecs.getincrementalencoder(enc)(errors)
        for c in s:
            e.encode(c)
            if rng.random() < 0.1:
                e.setstate(e.getstate())
        e.encode('', True)
    else:
        f = io.TextIOWrapper(io.BytesIO(data), enc, errors, newline=rng.choice((None, '', '\n', '\r\n')))
        f._CHUNK_SIZE = rng.choice((1, 3, 100))
        f.readline()
        f.seek(f.tell())
        f.read(rng.choice((1, 5, -1)))
        f.tell()
        f.write(s)
        f.flush()


def run_text(rng, remember):
    """csv, binascii, unicodedata, SQL, certificates."""
    how = rng.randrange(6)
    s = text(rng, 60)
    data = flip(rng, rng.randbytes(40))
    remember(repr((how, s, data)).encode('utf-8', 'surrogatepass'))
    if how == 0:
        options = dict(delimiter=rng.choice(',;\t"é\n'), quotechar=rng.choice(('"', "'", None, ',')), escapechar=rng.choice((None, '\\', '"')),
                       doublequote=rng.random() < 0.5, skipinitialspace=rng.random() < 0.5, strict=rng.random() < 0.5, quoting=rng.randrange(6))
        rows = list(csv.reader(io.StringIO(s), **options))
        csv.writer(io.StringIO(), **options).writerows(rows + [[1, None, 1.5, s]])
    elif how == 1:
        f = rng.choice((binascii.a2b_base64, binascii.a2b_uu, binascii.a2b_qp, binascii.a2b_hex, binascii.b2a_qp, binascii.b2a_uu))
        f(rng.choice((data, flip(rng, binascii.b2a_base64(data)), flip(rng, binascii.b2a_qp(data)), flip(rng, binascii.b2a_uu(data)), s)))
    elif how == 2:
        import unicodedata
        for form in ('NFC', 'NFD', 'NFKC', 'NFKD'):
            unicodedata.normalize(form, s), unicodedata.is_normalized(form, s), unicodedata.ucd_3_2_0.normalize(form, s)
        unicodedata.lookup(mutated(rng, 'HANGUL SYLLABLE GAG'))
    elif how == 3:
        sqlite3 = optional('sqlite3')
        if sqlite3:
            with sqlite3.connect(':memory:') as con:
                con.execute('create table t(a, b)')
                con.execute('insert into t values(?, ?)', (rng.choice((1, 1.5, s, data, None, 1 << 62)), 2))
                try:
                    con.execute(mutated(rng, rng.choice(('select a, b as "b [x]" from t where a > :x', 'insert into t values(?, ?)', 'pragma table_info(t)', '/* c */ select ?1',
                                                         'begin; select 1', "select zeroblob(9), cast(x'ff' as text)"))), rng.choice(((1,), (1, 2), {'x': s}, ()))).fetchall()
                    image = con.serialize()
                    con.deserialize(flip(rng, image))
                    con.execute('select * from t').fetchall()
                finally:
                    pass
            con.close()
    elif how == 4:
        ssl = optional('ssl')
        if ssl:
            if not hasattr(run_text, 'der'):
                certs = __import__('os').path.join(__import__('os').path.dirname(__import__('test').__file__), 'certdata')
                with open(certs + '/allsans.pem') as f:
                    pem = f.read()
                run_text.der = ssl.PEM_cert_to_DER_cert(pem[pem.index('-----BEGIN CERTIFICATE'):])
            der = flip(rng, run_text.der)
            remember(der)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=der)
            context.get_ca_certs()
    else:
        import shlex
        import tokenize
        list(tokenize.generate_tokens(io.StringIO(s).readline))
        shlex.split(s)


KINDS = {'re': run_re, 'sre': run_sre, 'pickle': run_pickle, 'json': run_json, 'struct': run_struct, 'xml': run_xml,
         'compress': run_compress, 'datetime': run_datetime, 'zoneinfo': run_zoneinfo, 'number': run_number, 'codecs': run_codecs,
         'text': run_text}

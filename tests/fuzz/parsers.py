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


def run_csv(rng, remember):
    s = text(rng, 60)
    options = dict(delimiter=rng.choice(',;\t"é\n'), quotechar=rng.choice(('"', "'", None, ',')), escapechar=rng.choice((None, '\\', '"')),
                   doublequote=rng.random() < 0.5, skipinitialspace=rng.random() < 0.5, strict=rng.random() < 0.5, quoting=rng.randrange(6))
    remember(repr((s, options)).encode('utf-8', 'surrogatepass'))
    csv.field_size_limit(rng.choice((131072, 131072, 3)))
    rows = list(csv.reader(rng.choice((io.StringIO(s), s.split('\n'), [s, s[:5]])), **options))
    csv.writer(io.StringIO(), lineterminator=rng.choice(('\r\n', '', 'é')), **options).writerows(rows + [[1, None, 1.5, s]])
    csv.Sniffer().sniff(s)


def run_base(rng, remember):
    """binascii, and the hexadecimal methods."""
    s, data = text(rng, 60), flip(rng, rng.randbytes(40))
    remember(repr((s, data)).encode('utf-8', 'surrogatepass'))
    how = rng.randrange(5)
    given = rng.choice((data, flip(rng, binascii.b2a_base64(data)), flip(rng, binascii.b2a_qp(data)), flip(rng, binascii.b2a_uu(data)),
                        flip(rng, binascii.hexlify(data, ':', 2)), s, memoryview(data)[::2]))
    if how < 2:
        f = rng.choice((binascii.a2b_base64, binascii.a2b_uu, binascii.a2b_qp, binascii.a2b_hex, binascii.b2a_qp, binascii.b2a_uu, binascii.crc32))
        f(given)
    elif how == 2:
        binascii.a2b_base64(given, strict_mode=True)
    elif how == 3:
        rng.choice((bytes, bytearray)).fromhex(mutated(rng, data.hex(rng.choice(' :é'), rng.choice((1, -3, 0, 1 << 31)))))
    else:
        binascii.b2a_qp(data, quotetabs=rng.random() < 0.5, istext=rng.random() < 0.5, header=rng.random() < 0.5)
        binascii.a2b_qp(given, header=True)
        binascii.b2a_hex(data, rng.choice(('-', b'x', 'ab', '')), rng.choice((0, 1, -1, 1 << 40)))


def run_unicode(rng, remember):
    import unicodedata
    s = text(rng, 60)
    remember(repr(s).encode('utf-8', 'surrogatepass'))
    for form in ('NFC', 'NFD', 'NFKC', 'NFKD'):
        unicodedata.normalize(form, s), unicodedata.is_normalized(form, s), unicodedata.ucd_3_2_0.normalize(form, s)
    s.lower(), s.upper(), s.title(), s.casefold(), s.swapcase(), s.isidentifier(), s.splitlines(), s.expandtabs(rng.choice((0, 3, 1000)))
    unicodedata.lookup(mutated(rng, rng.choice(('HANGUL SYLLABLE GAG', 'CJK UNIFIED IDEOGRAPH-4E00', 'LATIN SMALL LETTER A', 'LATIN SMALL LETTER R WITH TILDE'))))


STATEMENTS = ('select a, b as "b [x]" from t where a > :x', 'insert into t values(?, ?)', 'pragma table_info(t)', '/* c */ select ?1', 'begin; select 1',
              "select zeroblob(9), cast(x'ff' as text)", 'select f(a, b), g(a) from t group by a', 'select a as "a [half]", b from t -- c',
              'update t set a = ?3 returning a', 'create table u(x half, y)', 'with r(n) as (select 1 union all select n + 1 from r) select n from r limit 5')


class Total:
    def __init__(self):
        self.seen = []

    def step(self, *values):
        self.seen.append(values)

    def finalize(self):
        return str(self.seen)


def run_sqlite(rng, remember):
    """Statements, and database images."""
    sqlite3 = optional('sqlite3')
    if not sqlite3:
        return
    sql, values = mutated(rng, rng.choice(STATEMENTS)), rng.choice(((1,), (1, 2), {'x': text(rng)}, (), [1, b'x', None]))
    damage = rng.randrange(1 << 30)
    remember(repr((sql, values, damage)).encode('utf-8', 'surrogatepass'))
    con = sqlite3.connect(':memory:', detect_types=rng.randrange(4), isolation_level=rng.choice((None, '', 'IMMEDIATE')),
                          cached_statements=rng.choice((0, 1, 128)))
    try:
        con.create_function('f', -1, lambda *v: rng.choice((v[0], None, 'é\ud800', 1 << 70, b'', object)))
        con.create_aggregate('g', -1, Total)
        con.create_collation('c', lambda a, b: rng.choice((0, 1, -1, 'x')))
        con.set_authorizer(rng.choice((None, None, lambda *a: rng.choice((0, 0, 0, 1, 2, None)))))
        con.set_progress_handler(rng.choice((None, lambda: 0)), 100)
        turns = itertools.count()
        con.set_progress_handler(lambda: next(turns) > 10000, 100)  # a recursive query may have no end
        con.row_factory = rng.choice((None, sqlite3.Row))
        con.text_factory = rng.choice((str, bytes, bytearray, lambda b: b[::-1]))
        con.execute('create table t(a, b text collate c)')
        con.execute('insert into t values(?, ?)', (rng.choice((1, 1.5, text(rng), rng.randbytes(9), None, 1 << 62)), 'x'))
        how = rng.randrange(4)
        if how == 0:
            cursor = con.execute(sql, values)
            rows = cursor.fetchmany(rng.choice((1, 100)))
            [(row[0], repr(row), hash(row)) for row in rows], cursor.description
        elif how == 1:
            con.executemany(sql, [values] * 3)
        elif how == 2:
            con.executescript(sql)
            list(con.iterdump())
        else:
            con.commit()
            con.deserialize(flip(random_of(damage), con.serialize()))
            con.execute('select * from t').fetchall()
            with con.blobopen('t', 'a', 1) as blob:
                blob.write(b'x')
                blob[:rng.choice((1, 5))], blob.seek(rng.choice((0, -1, 3)), rng.randrange(3)), blob.read()
        sqlite3.complete_statement(sql)
    finally:
        con.close()


def random_of(seed):
    return __import__('random').Random(seed)


def certificates():
    import os
    import test
    return os.path.join(os.path.dirname(test.__file__), 'certdata')


def once(make, kept={}):
    if make not in kept:
        kept[make] = make()
    return kept[make]


def der_certificate():
    import ssl
    with open(certificates() + '/allsans.pem') as f:
        pem = f.read()
    return ssl.PEM_cert_to_DER_cert(pem[pem.index('-----BEGIN CERTIFICATE'):])


def run_cert(rng, remember):
    """Certificates and keys, as DER and as PEM."""
    ssl = optional('ssl')
    if not ssl:
        return
    der = flip(rng, once(der_certificate))
    remember(der)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    how = rng.randrange(3)
    if how == 0:
        context.load_verify_locations(cadata=der)
        context.get_ca_certs(), context.get_ca_certs(binary_form=True)
        return
    import os
    import tempfile
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, 'x.pem')
        if how == 1:
            import _ssl
            with open(path, 'w') as f:
                f.write(ssl.DER_cert_to_PEM_cert(der))
            _ssl._test_decode_cert(path)
        else:
            name = rng.choice(('keycert.pem', 'keycert.passwd.pem', 'ssl_key.pem', 'ffdh3072.pem', 'revocation.crl'))
            with open(os.path.join(certificates(), name), 'rb') as f:
                data = flip(rng, f.read())
            remember(data)
            with open(path, 'wb') as f:
                f.write(data)
            f = rng.choice((context.load_dh_params, context.load_verify_locations,
                            lambda p: context.load_cert_chain(p, password=rng.choice(('somepass', b'x', lambda: 'somepass', lambda: 'x' * 2000)))))
            f(path)


def tls_contexts():
    import ssl
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(certificates() + '/keycert.pem')
    server.set_alpn_protocols(['a', 'b'])
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.set_alpn_protocols(['b'])
    return server, client


def run_tls(rng, remember):
    """Two ends of a connection in memory, the bytes between them changed."""
    ssl = optional('ssl')
    if not ssl:
        return
    server, client = once(tls_contexts)
    server.sni_callback = rng.choice((None, lambda *a: rng.choice((None, 5, 'x'))))
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [server.wrap_bio(a, b, server_side=True), client.wrap_bio(b, a, server_hostname=rng.choice(('localhost', 'é.example', None)))]
    at = rng.randrange(12)
    step = 0
    for turn in range(12):
        for end, out in zip(ends, (b, a)):
            try:
                end.do_handshake()
                end.write(b'hello' * rng.choice((1, 5000)))
                end.read(rng.choice((1, 100000)))
            except ssl.SSLWantReadError:
                pass
            if step == at:
                data = out.read()
                data = flip(rng, data)
                remember(data)
                out.write(data)
            step += 1
            end.version(), end.cipher(), end.selected_alpn_protocol(), end.shared_ciphers()
    for end in ends:
        end.getpeercert(True), end.get_channel_binding('tls-unique')
        end.unwrap()


ADDRESSES = ('127.0.0.1', '::1', 'fe80::1%lo', '1.2.3', '0x7f.1', '::ffff:1.2.3.4', 'localhost', '1:2:3:4:5:6:7:8', '255.255.255.255', '', '<broadcast>')


def run_socket(rng, remember):
    """Addresses, and control messages."""
    socket = optional('socket')
    if not socket:
        return
    host = mutated(rng, rng.choice(ADDRESSES))
    port = rng.choice((0, 80, -1, 65536, '80', 'http', None, 1 << 70))
    packed = rng.randbytes(rng.choice((4, 16, 5)))
    remember(repr((host, port, packed)).encode('utf-8', 'surrogatepass'))
    how = rng.randrange(6)
    if how == 0:
        socket.inet_aton(host)
    elif how == 1:
        socket.inet_pton(rng.choice((socket.AF_INET, socket.AF_INET6)), host)
    elif how == 2:
        socket.inet_ntop(rng.choice((socket.AF_INET, socket.AF_INET6, 77)), packed), socket.inet_ntoa(packed)
    elif how == 3:
        socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
    elif how == 4:
        family = rng.choice((socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, getattr(socket, 'AF_PACKET', 17), getattr(socket, 'AF_NETLINK', 16),
                             getattr(socket, 'AF_ALG', 38), getattr(socket, 'AF_VSOCK', 40), getattr(socket, 'AF_CAN', 29), getattr(socket, 'AF_QIPCRTR', 42)))
        with socket.socket(family, rng.choice((socket.SOCK_STREAM, socket.SOCK_DGRAM))) as s:
            address = rng.choice(((), (host if host.replace('.', '').isdigit() else '127.0.0.1', port), ('::1', 0, rng.choice((-1, 1 << 20, 5)), rng.choice((-1, 1 << 33))), '\0' + host,
                                  host * 9, packed, (1, 2), ('lo', 3, 0, 1, packed), (port,), None, ('hash', 'sha256')))
            s.settimeout(0)
            rng.choice((s.bind, s.connect_ex, lambda where: s.sendto(b'', where)))(address)
            s.getsockname()
    else:
        one, two = socket.socketpair()
        with one, two:
            fds = array.array('i', [one.fileno()] * rng.randrange(4)).tobytes()
            one.sendmsg([b'x', b'', packed], rng.choice(([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, flip(rng, fds))])) if rng.random() < 0.5 else
                        [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            two.settimeout(0)
            into = bytearray(8)
            _, ancillary, *_ = rng.choice((two.recvmsg, lambda n, m: two.recvmsg_into([into, into], m)))(rng.choice((0, 1, 100)), rng.choice((0, 1, 17, 24, 1000)))
            for _, _, data in ancillary:
                for fd in array.array('i', data[:len(data) // 4 * 4]):
                    __import__('os').close(fd)
    socket.CMSG_LEN(rng.choice((0, 5, 1 << 31, 1 << 62)))


def run_token(rng, remember):
    import shlex
    import tokenize
    s = mutated(rng, rng.choice(('f"{a!r:>{w}}" + t\'{x}\'', 'def f(a, /, *b: int) -> "x":\n\treturn (a,\n b)\n', 'x = """a\n"""; 0x_1f 1e5j\n', text(rng, 60))))
    remember(s.encode('utf-8', 'surrogatepass'))
    if rng.random() < 0.5:
        list(tokenize.generate_tokens(io.StringIO(s).readline))
    else:
        data = flip(rng, rng.choice((b'# -*- coding: latin-1 -*-\n', b'\xef\xbb\xbf', b'')) + s.encode('utf-8', 'replace'))
        remember(data)
        list(tokenize.tokenize(io.BytesIO(data).readline))
        compile(data, 'x', 'exec')
    shlex.split(s)


KINDS = {'re': run_re, 'sre': run_sre, 'pickle': run_pickle, 'json': run_json, 'struct': run_struct, 'xml': run_xml,
         'compress': run_compress, 'datetime': run_datetime, 'zoneinfo': run_zoneinfo, 'number': run_number, 'codecs': run_codecs,
         'csv': run_csv, 'base': run_base, 'unicode': run_unicode, 'sqlite': run_sqlite, 'cert': run_cert, 'tls': run_tls,
         'socket': run_socket, 'token': run_token}

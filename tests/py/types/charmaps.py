"""codecs.charmap_build: which tables it takes, their size, and that they find every byte."""
import codecs
import encodings
import importlib
import pkgutil


def built(chars):
    m = codecs.charmap_build(''.join(chars))
    return type(m).__name__, m.size() if hasattr(m, 'size') else len(m)


base = [chr(i) for i in range(256)]
for change in ({}, {200: '\u20ac'}, {200: '\u20ac', 201: '\u2500'}, {203: '\ufffe'},
               {204: '\ufffd'}, {1: '\0'}, {200: '\U00010000'}, {0: 'a'}, {65: 'B'}):
    print(change, built([change.get(i, c) for i, c in enumerate(base)]))
print(built(base[:100]), built(base + ['x']), built('\0'), built('\0\ufffe'))
sparse = ['\0'] + [chr(i * 128) for i in range(1, 255)]
print(built(sparse), built(sparse + [chr(255 * 128)]), built(sparse + ['a']))

probe = [*range(0x3000), *range(0xf000, 0x10010)]
for name in sorted(x.name for x in pkgutil.iter_modules(encodings.__path__)):
    try:
        table = importlib.import_module('encodings.' + name).decoding_table
    except (ImportError, AttributeError):
        continue
    m = codecs.charmap_build(table)
    found = b''
    for i in probe:
        try:
            found += codecs.charmap_encode(chr(i), 'strict', m)[0]
        except UnicodeEncodeError:
            pass
    print(name, sum(found), len(found), built(table))

# -> {} ('EncodingMap', 335)
# -> {200: '€'} ('EncodingMap', 479)
# -> {200: '€', 201: '─'} ('EncodingMap', 607)
# -> {203: '\ufffe'} ('EncodingMap', 335)
# -> {204: '�'} ('EncodingMap', 479)
# -> {1: '\x00'} ('dict', 255)
# -> {200: '𐀀'} ('dict', 256)
# -> {0: 'a'} ('dict', 255)
# -> {65: 'B'} ('EncodingMap', 335)
# -> ('EncodingMap', 207) ('EncodingMap', 335) ('EncodingMap', 63) ('EncodingMap', 63)
# -> ('EncodingMap', 32831) ('dict', 256) ('dict', 256)
# -> cp037 32640 256 ('EncodingMap', 335)
# -> cp1006 32463 255 ('EncodingMap', 1119)
# -> cp1026 32640 256 ('EncodingMap', 463)
# -> cp1125 32640 256 ('EncodingMap', 1119)
# -> cp1140 32640 256 ('EncodingMap', 479)
# -> cp1250 31948 251 ('EncodingMap', 991)
# -> cp1251 32488 255 ('EncodingMap', 991)
# -> cp1252 31926 251 ('EncodingMap', 1119)
# -> cp1253 29956 239 ('EncodingMap', 991)
# -> cp1254 31626 249 ('EncodingMap', 1119)
# -> cp1255 28379 233 ('EncodingMap', 1119)
# -> cp1256 32640 256 ('EncodingMap', 1375)
# -> cp1257 30875 244 ('EncodingMap', 991)
# -> cp1258 31334 247 ('EncodingMap', 1247)
# -> cp273 32640 256 ('EncodingMap', 479)
# -> cp424 25586 218 ('EncodingMap', 607)
# -> cp437 32640 256 ('EncodingMap', 1375)
# -> cp500 32640 256 ('EncodingMap', 335)
# -> cp720 32640 256 ('EncodingMap', 991)
# -> cp737 32640 256 ('EncodingMap', 991)
# -> cp775 32640 256 ('EncodingMap', 991)
# -> cp850 32640 256 ('EncodingMap', 991)
# -> cp852 32640 256 ('EncodingMap', 863)
# -> cp855 32640 256 ('EncodingMap', 863)
# -> cp856 24450 215 ('EncodingMap', 863)
# -> cp857 31954 253 ('EncodingMap', 735)
# -> cp858 32640 256 ('EncodingMap', 991)
# -> cp860 32640 256 ('EncodingMap', 1247)
# -> cp861 32640 256 ('EncodingMap', 1375)
# -> cp862 32640 256 ('EncodingMap', 1503)
# -> cp863 32640 256 ('EncodingMap', 1247)
# -> cp864 31582 250 ('EncodingMap', 1263)
# -> cp865 32640 256 ('EncodingMap', 1375)
# -> cp866 32640 256 ('EncodingMap', 991)
# -> cp869 31427 247 ('EncodingMap', 863)
# -> cp874 27449 225 ('EncodingMap', 751)
# -> cp875 31407 250 ('EncodingMap', 607)
# -> hp_roman8 32385 255 ('EncodingMap', 1119)
# -> iso8859_1 32640 256 ('EncodingMap', 335)
# -> iso8859_10 32640 256 ('EncodingMap', 607)
# -> iso8859_11 30744 248 ('EncodingMap', 479)
# -> iso8859_13 32640 256 ('EncodingMap', 607)
# -> iso8859_14 32640 256 ('EncodingMap', 735)
# -> iso8859_15 32640 256 ('EncodingMap', 607)
# -> iso8859_16 32640 256 ('EncodingMap', 863)
# -> iso8859_2 32640 256 ('EncodingMap', 591)
# -> iso8859_3 31241 249 ('EncodingMap', 591)
# -> iso8859_4 32640 256 ('EncodingMap', 591)
# -> iso8859_5 32640 256 ('EncodingMap', 607)
# -> iso8859_6 23537 211 ('EncodingMap', 463)
# -> iso8859_7 32001 253 ('EncodingMap', 863)
# -> iso8859_8 25113 220 ('EncodingMap', 607)
# -> iso8859_9 32640 256 ('EncodingMap', 463)
# -> koi8_r 32640 256 ('EncodingMap', 991)
# -> koi8_t 29466 237 ('EncodingMap', 863)
# -> koi8_u 32640 256 ('EncodingMap', 1119)
# -> kz1048 32488 255 ('EncodingMap', 991)
# -> mac_arabic 31011 230 ('EncodingMap', 863)
# -> mac_croatian 32640 256 ('EncodingMap', 1647)
# -> mac_cyrillic 32640 256 ('EncodingMap', 1247)
# -> mac_farsi 31011 230 ('EncodingMap', 863)
# -> mac_greek 32640 256 ('EncodingMap', 1119)
# -> mac_iceland 32640 256 ('EncodingMap', 1647)
# -> mac_latin2 32640 256 ('EncodingMap', 1119)
# -> mac_roman 32640 256 ('EncodingMap', 1775)
# -> mac_romanian 32640 256 ('EncodingMap', 1775)
# -> mac_turkish 32640 256 ('EncodingMap', 1519)
# -> palmos 32640 256 ('EncodingMap', 1247)
# -> ptcp154 32640 256 ('EncodingMap', 863)
# -> tis_620 30584 247 ('EncodingMap', 479)

# Escapes of every kind at every place of a string, written and read back.
import json

for ensure in (True, False):
    for c in ("\"", "\\", "\n", "\x00", "\x1f", "\x7f", "\x80", "\xe9", "\u20ac", "\U0001f600",
              "\ud800"):
        total = 0
        for n in range(0, 20):
            for at in range(n + 1):
                s = "abcdefghijklmnopqrstuvwxyz"[:at] + c + "0123456789" * 2 + c * (n % 3)
                text = json.dumps(s, ensure_ascii=ensure)
                assert json.loads(text) == s, (s, text)
                assert text == '"' + "".join(json.dumps(x, ensure_ascii=ensure)[1:-1]
                                             for x in s) + '"', (s, text)
                total += len(text)
        print(ascii(c), ensure, total, ascii(json.dumps(c, ensure_ascii=ensure)))
long = ("plain text " * 50 + "\n") * 20
print(json.loads(json.dumps(long)) == long, len(json.dumps(long)))
for strict in (True, False):
    for text in ('"abcdefgh\tijklmnop"', '"\x01"', '"abcdefghijkl', '"abcdefgh\\'):
        try:
            print(strict, ascii(json.loads(text, strict=strict)))
        except ValueError as e:
            print(strict, e)

# -> '"' True 6776 '"\\""'
# -> '\\' True 6776 '"\\\\"'
# -> '\n' True 6776 '"\\n"'
# -> '\x00' True 8428 '"\\u0000"'
# -> '\x1f' True 8428 '"\\u001f"'
# -> '\x7f' True 8428 '"\\u007f"'
# -> '\x80' True 8428 '"\\u0080"'
# -> '\xe9' True 8428 '"\\u00e9"'
# -> '\u20ac' True 8428 '"\\u20ac"'
# -> '\U0001f600' True 10906 '"\\ud83d\\ude00"'
# -> '\ud800' True 8428 '"\\ud800"'
# -> '"' False 6776 '"\\""'
# -> '\\' False 6776 '"\\\\"'
# -> '\n' False 6776 '"\\n"'
# -> '\x00' False 8428 '"\\u0000"'
# -> '\x1f' False 8428 '"\\u001f"'
# -> '\x7f' False 6363 '"\x7f"'
# -> '\x80' False 6363 '"\x80"'
# -> '\xe9' False 6363 '"\xe9"'
# -> '\u20ac' False 6363 '"\u20ac"'
# -> '\U0001f600' False 6363 '"\U0001f600"'
# -> '\ud800' False 6363 '"\ud800"'
# -> True 11042
# -> True Invalid control character at: line 1 column 10 (char 9)
# -> True Invalid control character at: line 1 column 2 (char 1)
# -> True Unterminated string starting at: line 1 column 1 (char 0)
# -> True Unterminated string starting at: line 1 column 1 (char 0)
# -> False 'abcdefgh\tijklmnop'
# -> False '\x01'
# -> False Unterminated string starting at: line 1 column 1 (char 0)
# -> False Unterminated string starting at: line 1 column 1 (char 0)

# SPDX-License-Identifier: MIT
"""re: scanning, matching with groups, replacing and splitting ordinary text."""
import re

import pyperf

TEXT = "".join(f"On 2024-{i % 12 + 1:02d}-{i % 28 + 1:02d} user{i}@example.org wrote: "
               f"\"hello, World {i}\" <b>bold</b> and http://host{i}.net/path?q={i}\n"
               for i in range(200))
LINES = TEXT.splitlines()
WORD = re.compile(r"\w+")
DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
NAMED = re.compile(r"On (?P<year>\d+)-(?P<month>\d+)-(?P<day>\d+) (?P<user>\S+)")
MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
ALT = re.compile(r"hello|wrote|bold|path")
TAG = re.compile(r"<(\w+)>.*?</\1>")
CASE = re.compile(r"WORLD", re.I)
SPACE = re.compile(r"[ ,:]+")
TOKEN = re.compile(r"(?P<num>\d+)|(?P<id>[A-Za-z_]\w*)|(?P<op>[-+*/=<>:?.@\"])|(?P<ws>\s+)|(?P<o>.)")
BYTES = TEXT.encode()
BWORD = re.compile(rb"\w+")


def findall_words():
    return WORD.findall(TEXT)


def findall_groups():
    return DATE.findall(TEXT)


def finditer_spans():
    return [m.span() for m in MAIL.finditer(TEXT)]


def search_literal():
    return re.search("host199", TEXT)


def search_alternatives():
    return ALT.findall(TEXT)


def search_ignorecase():
    return CASE.findall(TEXT)


def match_lines():
    return [NAMED.match(s) for s in LINES]


def match_groupdict():
    return [NAMED.match(s).groupdict() for s in LINES]


def match_fail():
    m = DATE.match
    return [m(s) for s in LINES]


def backreference():
    return TAG.findall(TEXT)


def sub_template():
    return DATE.sub(r"\3.\2.\1", TEXT)


def sub_function():
    return DATE.sub(lambda m: m[0], TEXT)


def sub_constant():
    return SPACE.sub(" ", TEXT)


def split():
    return SPACE.split(TEXT)


def tokens():
    return [m.lastgroup for m in TOKEN.finditer(TEXT[:4000])]


def findall_bytes():
    return BWORD.findall(BYTES)


def module_functions():
    for s in LINES:
        re.search(r"user(\d+)", s)
        re.sub(r"\d", "#", s)


def fullmatch_short():
    f = re.compile(r"[a-z]+\d*").fullmatch
    for _ in range(200):
        f("abc12")
        f("abc-")


runner = pyperf.Runner()
for f in (findall_words, findall_groups, finditer_spans, search_literal, search_alternatives,
          search_ignorecase, match_lines, match_groupdict, match_fail, backreference,
          sub_template, sub_function, sub_constant, split, tokens, findall_bytes,
          module_functions, fullmatch_short):
    runner.bench_func(f"re_{f.__name__}", f)

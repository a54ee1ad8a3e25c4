# SPDX-License-Identifier: MIT
"""csv: reading and writing plain and quoted rows, through lists and through dictionaries."""
import csv
import io

import pyperf

ROWS = [[i, f"name {i}", i / 3, "text, with comma", None] for i in range(300)]
WORDS = [[f"{c}{i}" for c in "abcdefgh"] for i in range(300)]
out = io.StringIO()
csv.writer(out).writerows(ROWS)
QUOTED = out.getvalue()
PLAIN = "".join(",".join(r) + "\r\n" for r in WORDS)
LINES = PLAIN.splitlines(True)
FIELDS = list("abcdefgh")


def read_plain():
    return list(csv.reader(io.StringIO(PLAIN)))


def read_lines():
    return list(csv.reader(LINES))


def read_quoted():
    return list(csv.reader(io.StringIO(QUOTED)))


def read_numbers():
    return list(csv.reader(io.StringIO("1,2.5,3\n" * 300), quoting=csv.QUOTE_NONNUMERIC))


def read_tabs():
    return list(csv.reader(io.StringIO(PLAIN.replace(",", "\t")), "excel-tab"))


def dict_reader():
    return list(csv.DictReader(io.StringIO(PLAIN), FIELDS))


def write_plain():
    csv.writer(io.StringIO()).writerows(WORDS)


def write_mixed():
    csv.writer(io.StringIO()).writerows(ROWS)


def write_each():
    w = csv.writer(io.StringIO())
    for row in WORDS:
        w.writerow(row)


def write_quote_all():
    csv.writer(io.StringIO(), quoting=csv.QUOTE_ALL).writerows(WORDS)


def dict_writer(rows=[dict(zip(FIELDS, r)) for r in WORDS]):
    w = csv.DictWriter(io.StringIO(), FIELDS)
    w.writeheader()
    w.writerows(rows)


def sniff():
    return csv.Sniffer().sniff(PLAIN[:400])


runner = pyperf.Runner()
for f in (read_plain, read_lines, read_quoted, read_numbers, read_tabs, dict_reader,
          write_plain, write_mixed, write_each, write_quote_all, dict_writer, sniff):
    runner.bench_func(f"csv_{f.__name__}", f)

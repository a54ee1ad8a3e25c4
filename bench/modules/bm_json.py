# SPDX-License-Identifier: MIT
"""json: the C scanner and encoder over values of one kind, and the options people use."""
import json

import pyperf

VALUES = {
    "records": [{"id": i, "name": f"user {i}", "score": i / 3, "tags": ["a", "b"],
                 "active": i % 2 == 0, "parent": None} for i in range(200)],
    "ints": list(range(2000)),
    "floats": [i / 7 for i in range(1000)],
    "strings": [f"a plain string {i}" for i in range(500)],
    "escapes": [f"line {i}\n\t\"quoted\" \\ back" for i in range(300)],
    "unicode": [f"Zażółć gęślą jaźń {i} 漢字" for i in range(300)],
    "nested": [[[[[i]]]] for i in range(300)],
}

runner = pyperf.Runner()
for kind, value in VALUES.items():
    text = json.dumps(value)
    runner.bench_func(f"json_dumps_{kind}", json.dumps, value)
    runner.bench_func(f"json_loads_{kind}", json.loads, text)


def dumps_indent():
    return json.dumps(VALUES["records"], indent=2, sort_keys=True)


def dumps_unicode():
    return json.dumps(VALUES["unicode"], ensure_ascii=False)


def loads_hook(text=json.dumps(VALUES["records"])):
    return json.loads(text, object_hook=lambda d: d)


def loads_bytes(data=json.dumps(VALUES["records"]).encode()):
    return json.loads(data)


for f in (dumps_indent, dumps_unicode, loads_hook, loads_bytes):
    runner.bench_func(f"json_{f.__name__}", f)

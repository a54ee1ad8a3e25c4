# SPDX-License-Identifier: MIT
"""sqlite3 in memory: inserts, selects of every type, parameters, callbacks, factories."""
import sqlite3

import pyperf

ROWS = [(i, f"name {i}", i / 3, b"blob" * 4, None) for i in range(500)]
db = sqlite3.connect(":memory:")
db.execute("create table t(i integer primary key, s text, f real, b blob, n)")
db.executemany("insert into t values(?,?,?,?,?)", ROWS)
db.execute("create table w(a, b, c)")
db.commit()
db.create_function("twice", 1, lambda x: x * 2)


class Total:
    def __init__(self):
        self.n = 0

    def step(self, x):
        self.n += x

    def finalize(self):
        return self.n


db.create_aggregate("total_of", 1, Total)
named = sqlite3.connect(":memory:")
named.row_factory = sqlite3.Row
named.execute("create table t(i, s)")
named.executemany("insert into t values(?,?)", [r[:2] for r in ROWS])


def executemany():
    db.executemany("insert into w values(?,?,?)", [r[:3] for r in ROWS])
    db.rollback()


def executemany_dicts(rows=[{"a": i, "b": "x", "c": 1.5} for i in range(300)]):
    db.executemany("insert into w values(:a,:b,:c)", rows)
    db.rollback()


def insert_each():
    for r in ROWS[:100]:
        db.execute("insert into w values(?,?,?)", r[:3])
    db.rollback()


def fetchall():
    return db.execute("select * from t").fetchall()


def iterate():
    for i, s, f, b, n in db.execute("select * from t"):
        pass


def fetchone():
    c = db.execute("select i, s from t")
    while c.fetchone():
        pass


def select_ints():
    return db.execute("select i, i+1, i+2, i+3 from t").fetchall()


def select_text():
    return db.execute("select s, s, s from t").fetchall()


def select_one():
    for i in range(100):
        db.execute("select s from t where i = ?", (i,)).fetchone()


def select_named():
    for i in range(100):
        db.execute("select s from t where i = :i", {"i": i}).fetchone()


def row_factory():
    return [(r["i"], r["s"]) for r in named.execute("select i, s from t")]


def function():
    return db.execute("select sum(twice(i)) from t").fetchone()


def aggregate():
    return db.execute("select total_of(i) from t").fetchone()


def connect():
    for i in range(5):
        sqlite3.connect(":memory:").close()


runner = pyperf.Runner()
for f in (executemany, executemany_dicts, insert_each, fetchall, iterate, fetchone,
          select_ints, select_text, select_one, select_named, row_factory, function,
          aggregate, connect):
    runner.bench_func(f"sqlite3_{f.__name__}", f)

# SPDX-License-Identifier: MIT
"""datetime: making, taking apart, arithmetic, text in both directions, zones."""
import datetime
from datetime import date, datetime as dt, time, timedelta, timezone
import zoneinfo

import pyperf

N = range(100)
BASE = dt(2024, 2, 28, 23, 59, 59, 123456)
AWARE = BASE.replace(tzinfo=timezone.utc)
ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
ZONED = BASE.replace(tzinfo=ZONE)
DAY = timedelta(days=1, seconds=3)
ISO = BASE.isoformat()
ISO_ZONE = AWARE.isoformat()
MANY = [BASE + DAY * (i * 37 % 100) for i in N]


def construct():
    for i in N:
        dt(2024, 1, 1, i % 24, 30)


def construct_date():
    for i in N:
        date(2024, 1, 1)


def construct_timedelta():
    for i in N:
        timedelta(days=i, seconds=5)


def add_timedelta():
    x = BASE
    for i in N:
        x = x + DAY
    return x


def subtract():
    for x in MANY:
        x - BASE


def timedelta_arithmetic():
    d = DAY
    for i in N:
        d * 3 // 2 + DAY - DAY


def compare():
    for x in MANY:
        x < BASE
        x == BASE


def sort():
    return sorted(MANY)


def attributes():
    for x in MANY:
        x.year, x.month, x.day, x.hour, x.minute


def hash_and_dict():
    return {x: 1 for x in MANY}


def isoformat():
    for x in MANY:
        x.isoformat()


def fromisoformat():
    for i in N:
        dt.fromisoformat(ISO)


def fromisoformat_zone():
    for i in N:
        dt.fromisoformat(ISO_ZONE)


def to_str():
    for x in MANY:
        str(x)


def strftime():
    for x in MANY[:20]:
        x.strftime("%Y-%m-%d %H:%M:%S")


def fstring():
    for x in MANY[:20]:
        f"{x:%d.%m.%Y}"


def strptime():
    for i in range(20):
        dt.strptime("2024-02-28 23:59:59", "%Y-%m-%d %H:%M:%S")


def timestamp():
    for i in N:
        AWARE.timestamp()


def fromtimestamp():
    for i in N:
        dt.fromtimestamp(1e9 + i, timezone.utc)


def now():
    for i in N:
        dt.now()


def now_utc():
    for i in N:
        dt.now(timezone.utc)


def astimezone():
    for i in range(20):
        AWARE.astimezone(ZONE)


def zoned_offset():
    for i in N:
        ZONED.utcoffset()


def aware_subtract():
    for i in N:
        AWARE - AWARE


def replace():
    for i in N:
        BASE.replace(hour=i % 24)


def combine():
    d, t = date(2024, 1, 2), time(3, 4)
    for i in N:
        dt.combine(d, t)


def date_weekday():
    for x in MANY:
        x.date().weekday()


def ordinal():
    for i in N:
        date.fromordinal(738000 + i).toordinal()


def repr_():
    for x in MANY:
        repr(x)


runner = pyperf.Runner()
for f in (construct, construct_date, construct_timedelta, add_timedelta, subtract,
          timedelta_arithmetic, compare, sort, attributes, hash_and_dict, isoformat,
          fromisoformat, fromisoformat_zone, to_str, strftime, fstring, strptime, timestamp,
          fromtimestamp, now, now_utc, astimezone, zoned_offset, aware_subtract, replace,
          combine, date_weekday, ordinal, repr_):
    runner.bench_func(f"datetime_{f.__name__.strip('_')}", f)

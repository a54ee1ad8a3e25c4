# SPDX-License-Identifier: MIT
"""hashlib and hmac: short messages (the calls), long ones (the digests), key derivation."""
import hashlib
import hmac

import pyperf

SHORT = b"a short message"
LONG = bytes(range(256)) * 4096
N = range(50)
NAMES = ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s")


def short(name):
    f = getattr(hashlib, name)
    for i in N:
        f(SHORT).hexdigest()


def long(name):
    return getattr(hashlib, name)(LONG).digest()


def update():
    h = hashlib.sha256()
    for i in range(500):
        h.update(SHORT)
    return h.digest()


def copy():
    h = hashlib.sha256(SHORT)
    for i in N:
        h.copy()


def new():
    for i in N:
        hashlib.new("sha256", SHORT)


def shake():
    for i in N:
        hashlib.shake_128(SHORT).digest(32)


def hmac_digest():
    for i in N:
        hmac.digest(b"key", SHORT, "sha256")


def hmac_new():
    for i in range(20):
        hmac.new(b"key", SHORT, hashlib.sha256).hexdigest()


def pbkdf2_short():
    return hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 100)


def pbkdf2_long():
    return hashlib.pbkdf2_hmac("sha512", b"password", b"salt", 20000)


def scrypt():
    return hashlib.scrypt(b"password", salt=b"salt", n=1024, r=8, p=1)


runner = pyperf.Runner()
for name in NAMES:
    runner.bench_func(f"hashlib_{name}_short", short, name)
    runner.bench_func(f"hashlib_{name}_long", long, name)
for f in (update, copy, new, shake, hmac_digest, hmac_new, pbkdf2_short, pbkdf2_long, scrypt):
    runner.bench_func(f"hashlib_{f.__name__}", f)

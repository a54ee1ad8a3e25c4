# SPDX-License-Identifier: MIT
"""numpy: small arrays (the crossing), large ones (the kernels), Python around them."""
import numpy as np
import pyperf

A = np.arange(1000.0)
S = np.arange(8.0)
M = np.random.default_rng(1).random((100, 100))
L = [float(i) for i in range(1000)]
R = np.random.default_rng(2)


def small_arithmetic():
    a = S
    for i in range(100):
        a = (a + 1.0) * 0.5
    return a


def scalar_arithmetic():
    x = np.float64(1.5)
    for i in range(200):
        x = x * 1.01 + 0.5
    return x


def large_arithmetic():
    return np.sqrt(M * M + M).sum(axis=0)


def matmul():
    return M @ M


def item_access():
    a, n = A, 0.0
    for i in range(500):
        n += a[i]
    return n


def item_assign(a=np.zeros(500)):
    for i in range(500):
        a[i] = i


def slices():
    for i in range(200):
        M[i % 100, 10:20]
        M[:, i % 100]


def masks():
    return A[A > 500].mean()


def from_list():
    return np.array(L)


def tolist():
    return A.tolist()


def iterate():
    n = 0.0
    for x in A:
        n += x
    return n


def reductions():
    for i in range(50):
        S.sum(), S.max(), S.mean()


def concatenate():
    for i in range(50):
        np.concatenate([S, S])


def sort_unique():
    return np.unique(np.sort(R.integers(0, 100, 1000)))


def linalg():
    return np.linalg.solve(M, M[0])


def broadcasting():
    return (A[:100, None] - A[None, :100]).std()


def random_normal():
    return R.normal(size=1000)


def structured():
    a = np.zeros(100, dtype=[("x", "f8"), ("y", "i4")])
    for i in range(100):
        a[i] = (i, i)
    return a["x"].sum()


def array_repr():
    return repr(S), str(M[:3, :3])


def einsum():
    return np.einsum("ij,jk->ik", M[:20, :20], M[:20, :20])


runner = pyperf.Runner()
for f in (small_arithmetic, scalar_arithmetic, large_arithmetic, matmul, item_access,
          item_assign, slices, masks, from_list, tolist, iterate, reductions, concatenate,
          sort_unique, linalg, broadcasting, random_normal, structured, array_repr, einsum):
    runner.bench_func(f"numpy_{f.__name__}", f)

/* str_find.c - searching in runs of 1, 2 or 4 byte characters.
 *
 * nj_find compares the first and the last pattern character at 16 bytes of positions at
 * once (SSE2) and verifies candidates with memcmp. Verification is paid from a budget
 * that grows with the progress made; when a hostile input exhausts it, the rest is
 * searched with the two-way algorithm of Crochemore and Perrin: linear time, no memory.
 * Everything here is pure: no objects, no errors.
 * SPDX-License-Identifier: MIT
 */
#include "objects/str_int.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define AT(kind, p, i) PyUnicode_READ(kind, p, i)

/* ---- one character ------------------------------------------------------------------ */

#ifdef __SSE2__
NJ_INLINE __m128i
splat(int kind, Py_UCS4 c)
{
    return kind == 1   ? _mm_set1_epi8((char)c)
           : kind == 2 ? _mm_set1_epi16((short)c)
                       : _mm_set1_epi32((int)c);
}

NJ_INLINE __m128i
equal_lanes(int kind, __m128i a, __m128i b)
{
    return kind == 1   ? _mm_cmpeq_epi8(a, b)
           : kind == 2 ? _mm_cmpeq_epi16(a, b)
                       : _mm_cmpeq_epi32(a, b);
}

NJ_INLINE __m128i
load(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}
#endif

NJ_INLINE Py_ssize_t
find_char(int kind, const void *data, Py_ssize_t n, Py_UCS4 c)
{
    Py_ssize_t i = 0;
#ifdef __SSE2__
    const int lanes = 16 / kind;
    __m128i want = splat(kind, c);
    for (; i + lanes <= n; i += lanes) {
        int m = _mm_movemask_epi8(equal_lanes(kind, load(nj_at(data, kind, i)), want));
        if (m) {
            return i + __builtin_ctz((unsigned)m) / kind;
        }
    }
#endif
    for (; i < n; i++) {
        if (AT(kind, data, i) == c) {
            return i;
        }
    }
    return -1;
}

Py_ssize_t
nj_find_char(int kind, const void *data, Py_ssize_t n, Py_UCS4 c)
{
    if (kind == 1) {
        if (c > 0xff || n <= 0) {
            return -1;
        }
        const char *p = memchr(data, (int)c, (size_t)n);
        return p ? p - (const char *)data : -1;
    }
    if (kind == 2) {
        return c > 0xffff ? -1 : find_char(2, data, n, c);
    }
    return find_char(4, data, n, c);
}

Py_ssize_t
nj_rfind_char(int kind, const void *data, Py_ssize_t n, Py_UCS4 c)
{
    if (kind == 1) {
        if (c > 0xff || n <= 0) {
            return -1;
        }
        const char *p = memrchr(data, (int)c, (size_t)n);
        return p ? p - (const char *)data : -1;
    }
    NJ_BY_KIND(kind, C, {
        const C *p = data;
        while (n-- > 0) {
            if (p[n] == c) {
                return n;
            }
        }
    });
    return -1;
}

/* ---- two-way ------------------------------------------------------------------------- */

NJ_INLINE Py_ssize_t
maximal_suffix(int kind, const void *p, Py_ssize_t m, bool reversed, Py_ssize_t *period)
{
    Py_ssize_t suffix = -1, j = 0, k = 1, per = 1;
    while (j + k < m) {
        Py_UCS4 a = AT(kind, p, j + k), b = AT(kind, p, suffix + k);
        if (a == b) {
            if (k == per) {
                j += per;
                k = 1;
            } else {
                k++;
            }
        } else if ((a < b) != reversed) {
            j += k;
            k = 1;
            per = j - suffix;
        } else {
            suffix = j++;
            k = per = 1;
        }
    }
    *period = per;
    return suffix;
}

NJ_INLINE Py_ssize_t
two_way(int kind, const void *s, Py_ssize_t n, const void *p, Py_ssize_t m)
{
    Py_ssize_t per, per2;
    Py_ssize_t cut = maximal_suffix(kind, p, m, false, &per);
    Py_ssize_t cut2 = maximal_suffix(kind, p, m, true, &per2);
    if (cut2 > cut) {
        cut = cut2;
        per = per2;
    }
    bool periodic = memcmp(p, nj_at(p, kind, per), (size_t)((cut + 1) * kind)) == 0;
    if (!periodic) {
        per = Py_MAX(cut + 1, m - cut - 1) + 1;
    }
    Py_ssize_t memory = -1; /* p[0..memory] is known to match at j */
    for (Py_ssize_t j = 0; j <= n - m;) {
        Py_ssize_t i = Py_MAX(cut, memory) + 1;
        while (i < m && AT(kind, p, i) == AT(kind, s, i + j)) {
            i++;
        }
        if (i < m) {
            j += i - cut;
            memory = -1;
            continue;
        }
        i = cut;
        while (i > memory && AT(kind, p, i) == AT(kind, s, i + j)) {
            i--;
        }
        if (i <= memory) {
            return j;
        }
        j += per;
        memory = periodic ? m - per - 1 : -1;
    }
    return -1;
}

static Py_ssize_t
find_two_way(int kind, const void *s, Py_ssize_t n, const void *p, Py_ssize_t m)
{
    switch (kind) {
    case 1: return two_way(1, s, n, p, m);
    case 2: return two_way(2, s, n, p, m);
    default: return two_way(4, s, n, p, m);
    }
}

/* ---- patterns -------------------------------------------------------------------------- */

NJ_INLINE Py_ssize_t
find_pattern(int kind, const void *s, Py_ssize_t n, const void *p, Py_ssize_t m)
{
    Py_UCS4 first = AT(kind, p, 0), last = AT(kind, p, m - 1);
    const char *inner = nj_at(p, kind, 1);
    size_t inner_size = (size_t)((m - 2) * kind);
    Py_ssize_t positions = n - m + 1, i = 0, spent = 0;
#ifdef __SSE2__
    const int lanes = 16 / kind;
    __m128i f = splat(kind, first), l = splat(kind, last);
    while (i + lanes <= positions) {
        __m128i a = equal_lanes(kind, load(nj_at(s, kind, i)), f);
        __m128i b = equal_lanes(kind, load(nj_at(s, kind, i + m - 1)), l);
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_and_si128(a, b));
        while (mask) {
            int bit = __builtin_ctz(mask);
            Py_ssize_t at = i + bit / kind;
            if (memcmp(nj_at(s, kind, at + 1), inner, inner_size) == 0) {
                return at;
            }
            spent += m;
            mask &= ~((kind == 1 ? 1u : kind == 2 ? 3u : 15u) << bit);
        }
        i += lanes;
        if (NJ_UNLIKELY(spent > 8 * i + 2000)) {
            Py_ssize_t r =
                find_two_way(kind, nj_at(s, kind, i), n - i, p, m);
            return r < 0 ? -1 : r + i;
        }
    }
#endif
    for (; i < positions; i++) {
        if (AT(kind, s, i) == first && AT(kind, s, i + m - 1) == last) {
            if (memcmp(nj_at(s, kind, i + 1), inner, inner_size) == 0) {
                return i;
            }
            spent += m;
            if (NJ_UNLIKELY(spent > 8 * i + 2000)) {
                i++;
                Py_ssize_t r = find_two_way(kind, nj_at(s, kind, i), n - i, p, m);
                return r < 0 ? -1 : r + i;
            }
        }
    }
    return -1;
}

Py_ssize_t
nj_find(int kind, const void *s, Py_ssize_t n, const void *p, Py_ssize_t m)
{
    if (m > n) {
        return -1;
    }
    if (m <= 1) {
        return m == 0 ? 0 : nj_find_char(kind, s, n, AT(kind, p, 0));
    }
    switch (kind) {
    case 1: return find_pattern(1, s, n, p, m);
    case 2: return find_pattern(2, s, n, p, m);
    default: return find_pattern(4, s, n, p, m);
    }
}

Py_ssize_t
nj_rfind(int kind, const void *s, Py_ssize_t n, const void *p, Py_ssize_t m)
{
    if (m > n) {
        return -1;
    }
    if (m == 0) {
        return n;
    }
    Py_UCS4 first = AT(kind, p, 0);
    size_t rest = (size_t)((m - 1) * kind);
    for (Py_ssize_t end = n - m + 1; end > 0;) {
        Py_ssize_t i = nj_rfind_char(kind, s, end, first);
        if (i < 0) {
            return -1;
        }
        if (memcmp(nj_at(s, kind, i + 1), nj_at(p, kind, 1), rest) == 0) {
            return i;
        }
        end = i;
    }
    return -1;
}

static Py_ssize_t
count_byte(const unsigned char *p, Py_ssize_t n, unsigned char c)
{
    Py_ssize_t total = 0;
    while (n > 0) {
        Py_ssize_t take = Py_MIN(n, 240);
        unsigned char part = 0;
        for (Py_ssize_t i = 0; i < take; i++) {
            part = (unsigned char)(part + (p[i] == c));
        }
        total += part;
        p += take;
        n -= take;
    }
    return total;
}

Py_ssize_t
nj_count(int kind, const void *s, Py_ssize_t n, const void *p, Py_ssize_t m, Py_ssize_t max)
{
    if (n < 0) {
        return 0;
    }
    if (m == 0) {
        return n < max ? n + 1 : max;
    }
    if (m == 1 && kind == 1 && max == PY_SSIZE_T_MAX) {
        return count_byte(s, n, *(const unsigned char *)p);
    }
    Py_ssize_t count = 0;
    while (count < max) {
        Py_ssize_t i = nj_find(kind, s, n, p, m);
        if (i < 0) {
            break;
        }
        count++;
        s = nj_at(s, kind, i + m);
        n -= i + m;
    }
    return count;
}

int
nj_slice_index(PyObject *o, Py_ssize_t *out)
{
    if (o == Py_None) {
        return 0;
    }
    if (!PyIndex_Check(o)) {
        PyErr_SetString(PyExc_TypeError, "slice indices must be integers or None or have "
                                         "an __index__ method");
        return -1;
    }
    Py_ssize_t i = PyNumber_AsSsize_t(o, NULL);
    if (i == -1 && PyErr_Occurred()) {
        return -1;
    }
    *out = i;
    return 0;
}

Py_ssize_t
nj_ssize_arg(PyObject *o)
{
    if (PyLong_Check(o)) {
        return PyLong_AsSsize_t(o);
    }
    NJ_OWN i = PyNumber_Index(o);
    return i == NULL ? -1 : PyLong_AsSsize_t(i);
}

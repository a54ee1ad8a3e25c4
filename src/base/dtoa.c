/* dtoa.c - decimal text of doubles, both ways.
 *
 * Shortest digits: R. Giulietti, "The Schubfach way to render doubles" (2020). With 128
 * bits of a power of ten the interval of all decimals that read back as x is known
 * exactly enough (round to odd keeps the sticky bit), so a shorter candidate with one
 * digit less and, failing that, the nearer of two neighbours decides.
 *
 * Reading: W. Clinger's exact cases, then D. Lemire, "Number parsing at a gigabyte per
 * second" (2021) with the same table; the rare undecided cases go to the C library's
 * strtod with a text without a decimal point, which no locale can spoil.
 *
 * A given number of digits: exact 128-bit arithmetic where that suffices, else printf's
 * %e, which is exact in glibc; only its digits and exponent are used.
 * SPDX-License-Identifier: MIT
 */
#include "base/dtoa.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 u128;

typedef struct Pow10 {
    uint64_t hi, lo;
} Pow10;

enum { POW10_MIN = -342, POW10_MAX = 324 };

static const Pow10 pow10_table[POW10_MAX - POW10_MIN + 1] = {
#include "base/dtoa_pow10.inc"
};

static uint64_t
bits_of(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static double
of_bits(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* floor(log2(10**e)), |e| <= 1233 */
static inline int
log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

/* The upper part of g * c with every lost one-bit gathered in the lowest bit. */
static inline uint64_t
round_to_odd(Pow10 g, uint64_t c)
{
    u128 low = (u128)g.lo * c;
    u128 high = (u128)g.hi * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static int
write_digits(uint64_t m, char *out)
{
    char tmp[20];
    int n = 0;
    while (m) {
        tmp[n++] = (char)('0' + m % 10);
        m /= 10;
    }
    for (int i = 0; i < n; i++) {
        out[i] = tmp[n - 1 - i];
    }
    return n;
}

int
nj_dtoa_shortest(double x, char digits[20], int *decpt)
{
    uint64_t u = bits_of(x);
    uint64_t f = u & (((uint64_t)1 << 52) - 1);
    int e = (int)(u >> 52 & 0x7ff);
    uint64_t c = e ? f | (uint64_t)1 << 52 : f;
    int q = (e ? e : 1) - 1075;
    uint64_t dec;
    int k;
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0) {
        dec = c >> -q; /* a whole number below 2**53 */
        k = 0;
    }
    else {
        bool closer = f == 0 && e > 1; /* the neighbour below is only half as far */
        bool odd = c & 1;
        k = (q * 1262611 - (closer ? 524031 : 0)) >> 22;
        int h = q + log2_pow10(-k) + 1;
        Pow10 g = pow10_table[-k - POW10_MIN];
        if (-k < 0 || -k > 55) {
            g.hi += ++g.lo == 0; /* the power itself was truncated: from above */
        }
        uint64_t left = round_to_odd(g, (4 * c - 2 + closer) << h) + odd;
        uint64_t mid = round_to_odd(g, (4 * c) << h);
        uint64_t right = round_to_odd(g, (4 * c + 2) << h) - odd;
        uint64_t s = mid / 4;
        bool done = false;
        if (s >= 10) {
            uint64_t t = s / 10;
            bool below = left <= 40 * t;
            bool above = 40 * t + 40 <= right;
            if (below != above) {
                dec = t + above;
                k++;
                done = true;
            }
        }
        if (!done) {
            bool below = left <= 4 * s;
            bool above = 4 * s + 4 <= right;
            if (below != above) {
                dec = s + above;
            }
            else {
                uint64_t half = 4 * s + 2;
                dec = s + (mid > half || (mid == half && (s & 1)));
            }
        }
    }
    int n = write_digits(dec, digits);
    *decpt = n + k;
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    return n;
}

void
nj_dtoa_significant(double x, int n, char *digits, int *decpt)
{
    /* d.ddd...e+xxx with whatever the locale's decimal point is; zeros beyond the 767
     * digits that a double can have are filled in here. */
    char buf[800];
    int prec = n - 1 < 780 ? n - 1 : 780;
    int len = snprintf(buf, sizeof buf, "%.*e", prec, fabs(x));
    int k = 0;
    int i = 0;
    for (; i < len && buf[i] != 'e'; i++) {
        if (buf[i] >= '0' && buf[i] <= '9' && k < n) {
            digits[k++] = buf[i];
        }
    }
    memset(digits + k, '0', (size_t)(n - k));
    *decpt = atoi(buf + i + 1) + 1;
}

static const uint64_t pow10_u64[20] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    10000000000000000000u,
};

bool
nj_dtoa_scaled(double x, int p, uint64_t *out)
{
    if (p < 0 || p > 19) {
        return false;
    }
    uint64_t u = bits_of(x);
    int e = (int)(u >> 52 & 0x7ff);
    if (e == 0x7ff) {
        return false;
    }
    uint64_t c = u & (((uint64_t)1 << 52) - 1);
    if (e) {
        c |= (uint64_t)1 << 52;
    }
    int shift = 1075 - (e ? e : 1); /* x = c * 2**-shift */
    u128 m = (u128)c * pow10_u64[p]; /* < 2**117 */
    if (shift <= 0) {
        if (shift < -10) {
            return false;
        }
        m <<= -shift;
    }
    else if (shift >= 120) {
        m = 0;
    }
    else {
        u128 rest = m & (((u128)1 << shift) - 1);
        u128 half = (u128)1 << (shift - 1);
        m >>= shift;
        if (rest > half || (rest == half && (m & 1))) {
            m++;
        }
    }
    if (m >> 64) {
        return false;
    }
    *out = (uint64_t)m;
    return true;
}

/* w * 10**e, w not 0, -342 <= e <= 308. False: undecided. */
static bool
eisel_lemire(uint64_t w, int e, double *out)
{
    int lz = __builtin_clzll(w);
    w <<= lz;
    Pow10 g = pow10_table[e - POW10_MIN];
    if (e < 0 && e >= -27) {
        g.hi += ++g.lo == 0;
    }
    u128 p = (u128)w * g.hi;
    uint64_t hi = (uint64_t)(p >> 64), lo = (uint64_t)p;
    if ((hi & 0x1ff) == 0x1ff) {
        uint64_t more = (uint64_t)((u128)w * g.lo >> 64);
        lo += more;
        hi += lo < more;
    }
    if (lo == UINT64_MAX && (e < -27 || e > 55)) {
        return false;
    }
    int top = (int)(hi >> 63);
    uint64_t m = hi >> (top + 9);
    int exp = ((217706 * e) >> 16) + 63 + top - lz + 1023;
    if (exp <= 0) {
        if (1 - exp >= 64) {
            *out = 0.0;
            return true;
        }
        m >>= 1 - exp;
        m = (m + (m & 1)) >> 1;
        *out = of_bits(m); /* a carry into bit 52 makes the smallest normal */
        return true;
    }
    if (lo <= 1 && e >= -4 && e <= 23 && (m & 3) == 1 && m << (top + 9) == hi) {
        m &= ~(uint64_t)1; /* exactly half way: to even */
    }
    m = (m + (m & 1)) >> 1;
    if (m >> 53) {
        m = (uint64_t)1 << 52;
        exp++;
    }
    if (exp >= 0x7ff) {
        *out = HUGE_VAL;
        return true;
    }
    *out = of_bits((m & (((uint64_t)1 << 52) - 1)) | (uint64_t)exp << 52);
    return true;
}

static const double pow10_exact[23] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* False: undecided. */
static bool
compose_fast(uint64_t w, int64_t e, double *out)
{
    if (w == 0 || e < POW10_MIN) {
        *out = 0.0; /* w < 2**64 < 10**20: below half of the smallest subnormal */
        return true;
    }
    if (e > 308) {
        *out = HUGE_VAL;
        return true;
    }
    if (w <= (uint64_t)1 << 53 && e >= -22 && e <= 22) {
        *out = e < 0 ? (double)w / pow10_exact[-e] : (double)w * pow10_exact[e];
        return true;
    }
    return eisel_lemire(w, (int)e, out);
}

double
nj_dtoa_compose(uint64_t w, int64_t e)
{
    double x;
    if (!compose_fast(w, e, &x)) {
        char buf[64];
        snprintf(buf, sizeof buf, "%llue%d", (unsigned long long)w, (int)e);
        x = strtod(buf, NULL);
    }
    return x;
}

static inline bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

double
nj_dtoa_read(const char *s, const char **end)
{
    const char *p = s;
    bool negative = *p == '-';
    if (*p == '-' || *p == '+') {
        p++;
    }
    const char *start = p;
    uint64_t w = 0;
    int kept = 0;       /* significant digits in w */
    int64_t e = 0;      /* exponent of w's last digit */
    bool any = false, lost = false;
    bool in_fraction = false;
    int64_t nsig = 0;
    for (;; p++) {
        if (*p == '.' && !in_fraction) {
            in_fraction = true;
            continue;
        }
        if (!is_digit(*p)) {
            break;
        }
        any = true;
        if (kept < 19) {
            if (kept || *p != '0') {
                w = w * 10 + (uint64_t)(*p - '0');
                kept++;
                nsig++;
            }
            e -= in_fraction;
        }
        else {
            nsig++;
            lost = lost || *p != '0';
            e += !in_fraction;
        }
    }
    if (!any) {
        *end = s;
        return 0.0;
    }
    const char *mantissa_end = p;
    int64_t exp10 = 0;
    if (*p == 'e' || *p == 'E') {
        const char *q = p + 1;
        bool eneg = *q == '-';
        if (*q == '-' || *q == '+') {
            q++;
        }
        if (is_digit(*q)) {
            for (; is_digit(*q); q++) {
                if (exp10 < (int64_t)1 << 56) {
                    exp10 = exp10 * 10 + (*q - '0');
                }
            }
            if (eneg) {
                exp10 = -exp10;
            }
            p = q;
        }
    }
    *end = p;
    e += exp10;
    double x, y;
    if (compose_fast(w, e, &x)) {
        if (!lost) {
            return negative ? -x : x;
        }
        if (compose_fast(w + 1, e, &y) && x == y) {
            return negative ? -x : x;
        }
    }
    /* Undecided: all digits, without point, to the C library. Digits beyond 770 only
     * matter as "something not zero follows". */
    char stack[800 + 32];
    int n = 0;
    int64_t scale = exp10;
    bool frac = false, started = false, tail = false;
    for (const char *c = start; c < mantissa_end; c++) {
        if (*c == '.') {
            frac = true;
            continue;
        }
        if (*c == '0' && !started) {
            scale -= frac;
            continue;
        }
        started = true;
        if (n < 790) {
            stack[n++] = *c;
            scale -= frac;
        }
        else {
            tail = tail || *c != '0';
            scale += !frac;
        }
    }
    if (tail) {
        stack[n++] = '1';
        scale--;
    }
    if (scale > 100000) {
        scale = 100000;
    }
    if (scale < -100000) {
        scale = -100000;
    }
    snprintf(stack + n, sizeof stack - (size_t)n, "e%d", (int)scale);
    x = strtod(stack, NULL);
    return negative ? -x : x;
}

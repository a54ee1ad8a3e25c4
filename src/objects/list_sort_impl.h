/* list_sort_impl.h - the merge sort, instantiated by list_sort.c for each element form
 *
 * Before including, define:
 *   ELEM      element type, copied freely
 *   SORT(x)   name of x in this instance
 *   LESS(a,b) elements a < b: 1, 0, or -1 with an exception (then CAN_FAIL 1)
 *   CAN_FAIL  0 lets the compiler drop the error paths
 *
 * Natural runs, short ones extended by binary insertion; merge order by node power (Munro
 * and Wild, "Nearly-Optimal Mergesorts", 2018); merging with exponential search once one
 * side keeps winning (Peters). A failed comparison leaves the array a permutation of what
 * it was: the hole in the middle of a merge always has the size of what is left in the
 * buffer.
 * SPDX-License-Identifier: MIT
 */

#if CAN_FAIL
#define CHECKED(r, label)                                                              \
    if ((r) < 0) {                                                                     \
        goto label;                                                                    \
    }
#else
#define CHECKED(r, label)
#endif

typedef struct SORT(State) {
    ELEM *base;
    ELEM *tmp; /* merge buffer, owned */
    Py_ssize_t room;
    Py_ssize_t gallop; /* wins in a row before searching exponentially */
    struct {
        Py_ssize_t start, len;
        int power; /* of the boundary with the run below */
    } runs[85];
    int nruns;
} SORT(State);

/* a[0..start) is sorted; inserts the rest. */
static int
SORT(insertion)(ELEM *a, Py_ssize_t n, Py_ssize_t start)
{
    for (Py_ssize_t i = start ? start : 1; i < n; i++) {
        ELEM pivot = a[i];
        Py_ssize_t lo = 0, hi = i;
        while (lo < hi) {
            Py_ssize_t mid = lo + ((hi - lo) >> 1);
            int r = LESS(pivot, a[mid]);
            CHECKED(r, fail)
            if (r) {
                hi = mid;
            }
            else {
                lo = mid + 1;
            }
        }
        memmove(a + lo + 1, a + lo, (size_t)(i - lo) * sizeof(ELEM));
        a[lo] = pivot;
    }
    return 0;
#if CAN_FAIL
fail:
    return -1;
#endif
}

static void
SORT(reverse)(ELEM *a, Py_ssize_t n)
{
    for (ELEM *b = a + n - 1; a < b; a++, b--) {
        ELEM t = *a;
        *a = *b;
        *b = t;
    }
}

/* Length of the run at the start of a; a strictly descending one is turned round. */
static Py_ssize_t
SORT(count_run)(ELEM *a, Py_ssize_t n)
{
    if (n <= 1) {
        return n;
    }
    int down = LESS(a[1], a[0]);
    CHECKED(down, fail)
    Py_ssize_t i = 2;
    for (; i < n; i++) {
        int r = LESS(a[i], a[i - 1]);
        CHECKED(r, fail)
        if (r != down) {
            break;
        }
    }
    if (down) {
        SORT(reverse)(a, i);
    }
    return i;
#if CAN_FAIL
fail:
    return -1;
#endif
}

/* How many elements of the sorted a[0..n) go before key: those < key, or <= key if upper.
 * Searches exponentially from the front or from the end. */
static Py_ssize_t
SORT(bound)(ELEM key, ELEM *a, Py_ssize_t n, bool upper, bool from_end)
{
#define BEFORE(x) (upper ? LESS(key, (x)) : LESS((x), key))
    Py_ssize_t lo = 0, hi = n, ofs = 1;
    /* "goes before" is the answer `!upper' of BEFORE */
    int yes = !upper;
    if (!from_end) {
        while (ofs <= n) {
            int r = BEFORE(a[ofs - 1]);
            CHECKED(r, fail)
            if (r != yes) {
                hi = ofs - 1;
                break;
            }
            lo = ofs;
            ofs = ofs * 2 + 1;
            if (ofs <= 0) {
                ofs = n;
            }
        }
    }
    else {
        while (ofs <= n) {
            int r = BEFORE(a[n - ofs]);
            CHECKED(r, fail)
            if (r == yes) {
                lo = n - ofs + 1;
                break;
            }
            hi = n - ofs;
            ofs = ofs * 2 + 1;
            if (ofs <= 0) {
                ofs = n;
            }
        }
    }
    while (lo < hi) {
        Py_ssize_t mid = lo + ((hi - lo) >> 1);
        int r = BEFORE(a[mid]);
        CHECKED(r, fail)
        if (r == yes) {
            lo = mid + 1;
        }
        else {
            hi = mid;
        }
    }
    return lo;
#if CAN_FAIL
fail:
    return -1;
#endif
#undef BEFORE
}

static int
SORT(reserve)(SORT(State) *s, Py_ssize_t n)
{
    if (n <= s->room) {
        return 0;
    }
    PyMem_Free(s->tmp);
    s->room = 0;
    s->tmp = (size_t)n > (size_t)PY_SSIZE_T_MAX / sizeof(ELEM)
                 ? NULL
                 : PyMem_Malloc((size_t)n * sizeof(ELEM));
    if (!s->tmp) {
        PyErr_NoMemory();
        return -1;
    }
    s->room = n;
    return 0;
}

#define MIN_GALLOP 7

/* Merges a[0..na) and b = a + na, b[0..nb), na <= nb; b[0] < a[0], a's last is largest. */
static int
SORT(merge_lo)(SORT(State) *s, ELEM *a, Py_ssize_t na, ELEM *b, Py_ssize_t nb)
{
    if (SORT(reserve)(s, na) < 0) {
        return -1;
    }
    memcpy(s->tmp, a, (size_t)na * sizeof(ELEM));
    ELEM *t = s->tmp, *te = t + na, *bp = b, *be = b + nb, *d = a;
    Py_ssize_t gallop = s->gallop, k;
    int result = 0;
    *d++ = *bp++;
    if (bp == be) {
        goto done;
    }
    if (na == 1) {
        goto last;
    }
    for (;;) {
        Py_ssize_t awins = 0, bwins = 0;
        for (;;) {
            int r = LESS(*bp, *t);
            CHECKED(r, fail)
            if (r) {
                *d++ = *bp++;
                bwins++;
                awins = 0;
                if (bp == be) {
                    goto done;
                }
                if (bwins >= gallop) {
                    break;
                }
            }
            else {
                *d++ = *t++;
                awins++;
                bwins = 0;
                if (te - t == 1) {
                    goto last;
                }
                if (awins >= gallop) {
                    break;
                }
            }
        }
        do {
            gallop -= gallop > 1;
            k = SORT(bound)(*bp, t, te - t, true, false);
            CHECKED(k, fail)
            awins = k;
            memcpy(d, t, (size_t)k * sizeof(ELEM));
            d += k;
            t += k;
            if (te - t == 1) {
                goto last;
            }
            if (t == te) {
                goto done; /* only with inconsistent comparisons */
            }
            *d++ = *bp++;
            if (bp == be) {
                goto done;
            }
            k = SORT(bound)(*t, bp, be - bp, false, false);
            CHECKED(k, fail)
            bwins = k;
            memmove(d, bp, (size_t)k * sizeof(ELEM));
            d += k;
            bp += k;
            if (bp == be) {
                goto done;
            }
            *d++ = *t++;
            if (te - t == 1) {
                goto last;
            }
        } while (awins >= MIN_GALLOP || bwins >= MIN_GALLOP);
        gallop++;
    }
last:
    k = be - bp;
    memmove(d, bp, (size_t)k * sizeof(ELEM));
    d += k;
    goto done;
#if CAN_FAIL
fail:
    result = -1;
#endif
done:
    memcpy(d, t, (size_t)(te - t) * sizeof(ELEM));
    s->gallop = gallop;
    return result;
}

/* The same from the right, nb <= na. */
static int
SORT(merge_hi)(SORT(State) *s, ELEM *a, Py_ssize_t na, ELEM *b, Py_ssize_t nb)
{
    if (SORT(reserve)(s, nb) < 0) {
        return -1;
    }
    memcpy(s->tmp, b, (size_t)nb * sizeof(ELEM));
    ELEM *t = s->tmp + nb - 1, *ap = a + na - 1, *d = b + nb - 1;
    Py_ssize_t gallop = s->gallop, k;
    int result = 0;
    *d-- = *ap--;
    if (--na == 0) {
        goto done;
    }
    if (nb == 1) {
        goto last;
    }
    for (;;) {
        Py_ssize_t awins = 0, bwins = 0;
        for (;;) {
            int r = LESS(*t, *ap);
            CHECKED(r, fail)
            if (r) {
                *d-- = *ap--;
                awins++;
                bwins = 0;
                if (--na == 0) {
                    goto done;
                }
                if (awins >= gallop) {
                    break;
                }
            }
            else {
                *d-- = *t--;
                bwins++;
                awins = 0;
                if (--nb == 1) {
                    goto last;
                }
                if (bwins >= gallop) {
                    break;
                }
            }
        }
        do {
            gallop -= gallop > 1;
            k = SORT(bound)(*t, a, na, true, true);
            CHECKED(k, fail)
            k = na - k;
            awins = k;
            d -= k;
            ap -= k;
            memmove(d + 1, ap + 1, (size_t)k * sizeof(ELEM));
            na -= k;
            if (na == 0) {
                goto done;
            }
            *d-- = *t--;
            if (--nb == 1) {
                goto last;
            }
            k = SORT(bound)(*ap, s->tmp, nb, false, true);
            CHECKED(k, fail)
            k = nb - k;
            bwins = k;
            d -= k;
            t -= k;
            memcpy(d + 1, t + 1, (size_t)k * sizeof(ELEM));
            nb -= k;
            if (nb == 1) {
                goto last;
            }
            if (nb == 0) {
                goto done; /* only with inconsistent comparisons */
            }
            *d-- = *ap--;
            if (--na == 0) {
                goto done;
            }
        } while (awins >= MIN_GALLOP || bwins >= MIN_GALLOP);
        gallop++;
    }
last:
    d -= na;
    ap -= na;
    memmove(d + 1, ap + 1, (size_t)na * sizeof(ELEM));
    goto done;
#if CAN_FAIL
fail:
    result = -1;
#endif
done:
    if (nb) {
        memcpy(d - (nb - 1), s->tmp, (size_t)nb * sizeof(ELEM));
    }
    s->gallop = gallop;
    return result;
}

/* Merges the two topmost runs. */
static int
SORT(merge_top)(SORT(State) *s)
{
    int i = s->nruns - 2;
    ELEM *a = s->base + s->runs[i].start, *b = s->base + s->runs[i + 1].start;
    Py_ssize_t na = s->runs[i].len, nb = s->runs[i + 1].len;
    s->runs[i].len = na + nb;
    s->nruns--;
    Py_ssize_t k = SORT(bound)(b[0], a, na, true, false);
    CHECKED(k, fail)
    a += k;
    na -= k;
    if (na == 0) {
        return 0;
    }
    nb = SORT(bound)(a[na - 1], b, nb, false, true);
    CHECKED(nb, fail)
    if (nb == 0) {
        return 0;
    }
    return na <= nb ? SORT(merge_lo)(s, a, na, b, nb) : SORT(merge_hi)(s, a, na, b, nb);
#if CAN_FAIL
fail:
    return -1;
#endif
}

static int
SORT(sort)(ELEM *a, Py_ssize_t n)
{
    SORT(State) s;
    s.base = a;
    s.tmp = NULL;
    s.room = 0;
    s.gallop = MIN_GALLOP;
    s.nruns = 0;
    int result = -1;
    Py_ssize_t minrun = n, odd = 0;
    while (minrun >= 64) {
        odd |= minrun & 1;
        minrun >>= 1;
    }
    minrun += odd;
    for (Py_ssize_t at = 0; at < n;) {
        Py_ssize_t left = n - at;
        Py_ssize_t len = SORT(count_run)(a + at, left);
        CHECKED(len, out)
        if (len < minrun) {
            Py_ssize_t want = left < minrun ? left : minrun;
            if (SORT(insertion)(a + at, want, len) < 0) {
                goto out;
            }
            len = want;
        }
        if (s.nruns) {
            int power = node_power(s.runs[s.nruns - 1].start, s.runs[s.nruns - 1].len, len, n);
            while (s.nruns > 1 && s.runs[s.nruns - 1].power > power) {
                if (SORT(merge_top)(&s) < 0) {
                    goto out;
                }
            }
            s.runs[s.nruns].power = power;
        }
        else {
            s.runs[0].power = 0;
        }
        s.runs[s.nruns].start = at;
        s.runs[s.nruns].len = len;
        s.nruns++;
        at += len;
    }
    while (s.nruns > 1) {
        if (SORT(merge_top)(&s) < 0) {
            goto out;
        }
    }
    result = 0;
out:
    PyMem_Free(s.tmp);
    return result;
}

#undef MIN_GALLOP
#undef CHECKED
#undef ELEM
#undef SORT
#undef LESS
#undef CAN_FAIL

/* dtoa.h - decimal text of doubles, both ways. No Python objects.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_BASE_DTOA_H
#define NJ_BASE_DTOA_H

#include <stdbool.h>
#include <stdint.h>

/* The shortest digits that read back as x (finite, not 0; the sign is ignored), nearest
 * to x among those. Writes up to 17 digits (no NUL), returns how many;
 * value = 0.DIGITS * 10**decpt. */
int nj_dtoa_shortest(double x, char digits[20], int *decpt);

/* x rounded to n >= 1 significant digits, half to even on the exact value. digits has
 * room for n; trailing zeros are kept. x finite, not 0, sign ignored. */
void nj_dtoa_significant(double x, int n, char *digits, int *decpt);

/* |x| * 10**p rounded half to even as an integer, if that needs no more than 128-bit
 * arithmetic (0 <= p <= 19 and the result fits 64 bits). False: use another way. */
bool nj_dtoa_scaled(double x, int p, uint64_t *out);

/* w * 10**e10 correctly rounded. */
double nj_dtoa_compose(uint64_t w, int64_t e10);

/* Reads [+-] digits [. digits] [e [+-] digits]; at least one digit before the exponent.
 * *end is where reading stopped, s itself if there is no number. Correctly rounded;
 * overflow gives an infinity. Independent of the locale. */
double nj_dtoa_read(const char *s, const char **end);

#endif

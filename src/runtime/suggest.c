/* suggest.c - "Did you mean ...?": the nearest name by edit distance.
 *
 * The measure is that of the library's traceback module (its Python text is the
 * specification): a move costs 2, a change of case 1; at most a third of the characters
 * may need changing.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/suggest.h"

#define MAX_CANDIDATES 750
#define MAX_LENGTH 40
#define MOVE_COST 2
#define CASE_COST 1

static int
substitution_cost(Py_UCS4 a, Py_UCS4 b)
{
    if (a == b) {
        return 0;
    }
    Py_UCS4 la = a < 128 && a >= 'A' && a <= 'Z' ? a + 32 : a;
    Py_UCS4 lb = b < 128 && b >= 'A' && b <= 'Z' ? b + 32 : b;
    return la == lb ? CASE_COST : MOVE_COST;
}

/* The cost of turning a into b, or more than max_cost once that is certain. */
static int
edit_distance(PyObject *sa, PyObject *sb, int max_cost)
{
    Py_ssize_t na = PyUnicode_GET_LENGTH(sa), nb = PyUnicode_GET_LENGTH(sb), start = 0;
#define A(i) PyUnicode_READ_CHAR(sa, i)
#define B(i) PyUnicode_READ_CHAR(sb, i)
    while (start < na && start < nb && A(start) == B(start)) {
        start++;
    }
    while (na > start && nb > start && A(na - 1) == B(nb - 1)) {
        na--;
        nb--;
    }
    Py_ssize_t la = na - start, lb = nb - start;
    if (la == 0 || lb == 0) {
        return (int)((la + lb) * MOVE_COST);
    }
    if (la > MAX_LENGTH || lb > MAX_LENGTH) {
        return max_cost + 1;
    }
    if (lb < la) {
        PyObject *s = sa;
        sa = sb, sb = s;
        Py_ssize_t l = la;
        la = lb, lb = l;
    }
    if ((lb - la) * MOVE_COST > max_cost) {
        return max_cost + 1;
    }
    int row[MAX_LENGTH];
    for (int i = 0; i < la; i++) {
        row[i] = (i + 1) * MOVE_COST;
    }
    int result = 0;
    for (int j = 0; j < lb; j++) {
        int distance = result = j * MOVE_COST;
        int minimum = INT32_MAX;
        for (int i = 0; i < la; i++) {
            int substitute = distance + substitution_cost(B(start + j), A(start + i));
            distance = row[i];
            int shift = (result < distance ? result : distance) + MOVE_COST;
            result = shift < substitute ? shift : substitute;
            row[i] = result;
            if (result < minimum) {
                minimum = result;
            }
        }
        if (minimum > max_cost) {
            return max_cost + 1;
        }
    }
    return result;
#undef A
#undef B
}

Py_ssize_t
nj_suggest_cost(PyObject *a, PyObject *b, Py_ssize_t max)
{
    return edit_distance(a, b, (int)Py_MIN(max, INT32_MAX - 1));
}

PyObject *
nj_suggest_name(PyObject *candidates, PyObject *name)
{
    Py_ssize_t n = PyList_GET_SIZE(candidates);
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    if (n > MAX_CANDIDATES || length > MAX_LENGTH) {
        return NULL;
    }
    int best = INT32_MAX;
    PyObject *found = NULL; /* borrowed from the list: nothing here runs Python code */
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyList_GET_ITEM(candidates, i);
        if (!PyUnicode_Check(item)) {
            PyErr_SetString(PyExc_TypeError, "all elements in 'candidates' must be strings");
            return NULL;
        }
        if (item == name || PyUnicode_Compare(item, name) == 0) {
            continue;
        }
        int max = (int)((PyUnicode_GET_LENGTH(item) + length + 3) * MOVE_COST / 6);
        if (best - 1 < max) {
            max = best - 1;
        }
        int distance = edit_distance(name, item, max);
        if (distance <= max && (!found || distance < best)) {
            found = item;
            best = distance;
        }
    }
    return Py_XNewRef(found);
}

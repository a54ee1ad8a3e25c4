/* shared.h - items of queues and channels, and arguments that name them.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_MODULES_INTERPRETERS_SHARED_H
#define NJ_MODULES_INTERPRETERS_SHARED_H

#include "nj.h"

#include "runtime/crossinterp.h"
#include "runtime/runtime.h"

#include <pthread.h>

/* What becomes of an item whose interpreter ends. */
enum { UNBOUND_REMOVE = 1, UNBOUND_ERROR = 2, UNBOUND_REPLACE = 3 };

typedef struct Item {
    struct Item *next;
    NjXData *data; /* NULL: unbound */
    int64_t interp;
    int unbound;
    struct Wait *wait; /* channels: the sender that waits for it, or NULL */
} Item;

typedef struct ItemList {
    Item *first, *last;
    Py_ssize_t count;
} ItemList;

NJ_INLINE void
shared_lock(void)
{
    pthread_mutex_lock(&nj_runtime.shared.lock);
}

NJ_INLINE void
shared_unlock(void)
{
    pthread_mutex_unlock(&nj_runtime.shared.lock);
}

NJ_INLINE void
items_push(ItemList *list, Item *item)
{
    item->next = NULL;
    if (list->last) {
        list->last->next = item;
    }
    else {
        list->first = item;
    }
    list->last = item;
    list->count++;
}

NJ_INLINE Item *
items_pop(ItemList *list)
{
    Item *item = list->first;
    if (item) {
        list->first = item->next;
        if (!list->first) {
            list->last = NULL;
        }
        list->count--;
    }
    return item;
}

/* Under the lock: what interp put into the list is taken out or unbound. Whatever has to be
 * freed without the lock goes to garbage. */
NJ_INLINE void
items_unbind(ItemList *list, int64_t interp, ItemList *garbage)
{
    ItemList kept = {0};
    for (Item *item; (item = items_pop(list));) {
        if (item->interp != interp || !item->data) {
            items_push(&kept, item);
            continue;
        }
        Item *shell = item->unbound == UNBOUND_REMOVE ? NULL
                                                      : PyMem_RawCalloc(1, sizeof *shell);
        if (shell) {
            shell->interp = -1;
            shell->unbound = item->unbound;
            items_push(&kept, shell);
        }
        items_push(garbage, item);
    }
    *list = kept;
}

/* Without the lock. */
NJ_INLINE void
items_free(ItemList *list)
{
    for (Item *item; (item = items_pop(list));) {
        nj_xdata_free(item->data);
        PyMem_RawFree(item);
    }
}

/* PyArg converters for "unboundop" and "fallback": -1 means the default of the container. */
NJ_INLINE int
check_unbound(int *op, int dflt)
{
    if (*op < 0) {
        *op = dflt;
    }
    if (*op < UNBOUND_REMOVE || *op > UNBOUND_REPLACE) {
        PyErr_Format(PyExc_ValueError, "unsupported unboundop %d", *op);
        return -1;
    }
    return 0;
}

/* 0: only what is shareable itself; 1: pickles as well. */
NJ_INLINE int
check_fallback(int *fallback, int dflt)
{
    if (*fallback < 0) {
        *fallback = dflt;
    }
    if (*fallback > 1) {
        PyErr_Format(PyExc_ValueError, "unsupported fallback %d", *fallback);
        return -1;
    }
    return 0;
}

/* The id in an int. 1, or 0 with an exception. */
NJ_INLINE int
shared_id(PyObject *o, const char *kind, int64_t *id)
{
    if (!PyIndex_Check(o)) {
        PyErr_Format(PyExc_TypeError, "%s ID must be an int, got %.100s", kind,
                     Py_TYPE(o)->tp_name);
        return 0;
    }
    NJ_OWN n = PyNumber_Index(o);
    if (!n) {
        return 0;
    }
    int overflow;
    *id = PyLong_AsLongLongAndOverflow(n, &overflow);
    if (*id == -1 && !overflow && PyErr_Occurred()) {
        return 0;
    }
    if (overflow > 0) {
        PyErr_Format(PyExc_OverflowError, "max %s ID is %lld, got %R", kind,
                     (long long)INT64_MAX, n);
        return 0;
    }
    if (overflow < 0 || *id < 0) {
        PyErr_Format(PyExc_ValueError, "%s ID must be a non-negative int, got %R", kind, n);
        return 0;
    }
    return 1;
}

#endif

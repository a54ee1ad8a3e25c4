/* sockcapi.h - what the capsule _socket.CAPI gives away: for _socket and _ssl.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_BASE_SOCKCAPI_H
#define NJ_BASE_SOCKCAPI_H

/* the head of a socket object */
typedef struct NjSockHead {
    PyObject_HEAD
    int fd; /* -1: closed */
    int family, type, proto;
    PyObject *(*errorhandler)(void);
    PyTime_t timeout; /* ns; < 0 blocking, 0 non-blocking */
} NjSockHead;

/* what the capsule points to */
typedef struct NjSockCapi {
    PyTypeObject *sock_type;
    PyObject *error;
    PyObject *timeout_error;
} NjSockCapi;

#endif

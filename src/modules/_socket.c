/* _socket.c - the _socket module: socket objects and the resolver.
 *
 * A socket with a timeout is non-blocking underneath; sock_call() waits with poll() and
 * repeats the call until the deadline. timeout < 0 means blocking, 0 non-blocking. Every
 * system call that may wait runs without the GIL, so another thread may close the socket
 * meanwhile: calls copy the descriptor before and report what the kernel says.
 *
 * The head of NjSock is what _ssl reads through the capsule _socket.CAPI (sockcapi.h).
 * Addresses are converted in both directions for IPv4, IPv6, Unix, netlink, packet, CAN,
 * vsock, QIPCRTR and (to the kernel only) AF_ALG; others come out as (family, bytes).
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include "base/sockcapi.h"
#include "modules/timeout.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/can.h>
#include <linux/can/bcm.h>
#include <linux/can/isotp.h>
#include <linux/can/j1939.h>
#include <linux/can/raw.h>
#include <linux/if_alg.h>
#include <linux/if_packet.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <linux/qrtr.h>
#include <linux/tipc.h>
#include <linux/vm_sockets.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct SockState {
    PyTypeObject *sock_type;
    PyObject *herror, *gaierror;
    PyTime_t default_timeout;
} SockState;

typedef struct NjSock {
    PyObject_HEAD
    int fd; /* -1: closed */
    int family, type, proto;
    PyObject *(*errorhandler)(void);
    PyTime_t timeout; /* ns; < 0 blocking, 0 non-blocking */
    SockState *state; /* of the module, which outlives the type */
} NjSock;

_Static_assert(offsetof(NjSock, fd) == offsetof(NjSockHead, fd)
                   && offsetof(NjSock, timeout) == offsetof(NjSockHead, timeout),
               "the head that _ssl knows");

typedef union Address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_nl nl;
    struct sockaddr_ll ll;
    struct sockaddr_can can;
    struct sockaddr_vm vm;
    struct sockaddr_alg alg;
    struct sockaddr_qrtr qrtr;
    struct sockaddr_storage storage;
} Address;

static struct PyModuleDef socket_module;

static SockState *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

static PyObject *
os_error(void)
{
    return PyErr_SetFromErrno(PyExc_OSError);
}

/* ---- resolver errors ---------------------------------------------------------------------- */

static PyObject *
set_gai_error(SockState *st, int code)
{
    if (code == EAI_SYSTEM) {
        return os_error();
    }
    NJ_OWN v = Py_BuildValue("(is)", code, gai_strerror(code));
    if (v) {
        PyErr_SetObject(st->gaierror, v);
    }
    return NULL;
}

static PyObject *
set_h_error(SockState *st, int code)
{
    NJ_OWN v = Py_BuildValue("(is)", code, hstrerror(code));
    if (v) {
        PyErr_SetObject(st->herror, v);
    }
    return NULL;
}

/* ---- waiting ------------------------------------------------------------------------------ */

/* Waits until the descriptor is ready. 0 ready, 1 timed out, -1 errno. Drops the GIL. */
static int
wait_ready(int fd, bool writing, bool connecting, PyTime_t timeout)
{
    if (fd < 0) {
        return 0;
    }
    struct pollfd p = {.fd = fd, .events = writing ? POLLOUT : POLLIN};
    if (connecting) {
        p.events |= POLLERR;
    }
    PyTime_t ms = nj_timeout_ms(timeout);
    int n;
    Py_BEGIN_ALLOW_THREADS
    n = poll(&p, 1, ms > INT_MAX ? INT_MAX : (int)ms);
    Py_END_ALLOW_THREADS
    return n < 0 ? -1 : n == 0;
}

/* Runs call (which returns false with errno on failure) under the timeout. 0, or -1 with
 * an exception; with err given, errno goes there instead of into an exception (except for
 * signal handlers that raised). */
static int
sock_call(NjSock *s, bool writing, bool connecting, bool (*call)(NjSock *, void *),
          void *data, int *err, PyTime_t timeout)
{
    bool has_deadline = timeout > 0;
    PyTime_t deadline = has_deadline ? nj_timeout_deadline(timeout) : 0;
    PyTime_t left = timeout;
    for (;;) {
        if (has_deadline || connecting) {
            int r = 1;
            if (!has_deadline || left >= 0) {
                r = wait_ready(s->fd, writing, connecting, has_deadline ? left : -1000000);
            }
            if (r < 0) {
                int e = errno;
                if (e != EINTR) {
                    if (err) {
                        *err = e;
                    } else {
                        errno = e;
                        os_error();
                    }
                    return -1;
                }
                if (PyErr_CheckSignals() < 0) {
                    if (err) {
                        *err = -1;
                    }
                    return -1;
                }
                left = has_deadline ? deadline - nj_timeout_now() : left;
                continue;
            }
            if (r == 1) {
                if (err) {
                    *err = EWOULDBLOCK;
                } else {
                    PyErr_SetString(PyExc_TimeoutError, "timed out");
                }
                return -1;
            }
        }
        bool ok;
        int e;
        do {
            Py_BEGIN_ALLOW_THREADS
            ok = call(s, data);
            e = errno;
            Py_END_ALLOW_THREADS
            if (ok) {
                if (err) {
                    *err = 0;
                }
                return 0;
            }
            if (e == EINTR && PyErr_CheckSignals() < 0) {
                if (err) {
                    *err = -1;
                }
                return -1;
            }
        } while (e == EINTR);
        if (has_deadline && (e == EWOULDBLOCK || e == EAGAIN)) {
            left = deadline - nj_timeout_now();
            continue;
        }
        if (err) {
            *err = e;
        } else {
            errno = e;
            os_error();
        }
        return -1;
    }
}

static int
set_nonblocking(int fd, bool on)
{
    int r;
    Py_BEGIN_ALLOW_THREADS
    int flag = on;
    r = ioctl(fd, FIONBIO, &flag);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        os_error();
        return -1;
    }
    return 0;
}

static int
read_timeout(PyObject *o, PyTime_t *out)
{
    if (o == Py_None) {
        *out = -1;
        return 0;
    }
    if (nj_timeout_read(o, 1000000000, out) < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "'%.200s' object cannot be interpreted as an integer or float",
                         Py_TYPE(o)->tp_name);
        }
        return -1;
    }
    if (*out < 0) {
        PyErr_SetString(PyExc_ValueError, "Timeout value out of range");
        return -1;
    }
    if (nj_timeout_ms(*out) > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "timeout doesn't fit into C timeval");
        return -1;
    }
    return 0;
}

static PyObject *
timeout_object(PyTime_t t)
{
    if (t < 0) {
        Py_RETURN_NONE;
    }
    return PyFloat_FromDouble(PyTime_AsSecondsDouble(t));
}

/* ---- addresses in ------------------------------------------------------------------------- */

/* A host name as bytes: text goes through IDNA. "O&" converter; the result is owned. */
static int
host_converter(PyObject *o, void *out)
{
    PyObject *b;
    if (PyBytes_Check(o)) {
        b = Py_NewRef(o);
    } else if (PyByteArray_Check(o)) {
        b = PyBytes_FromObject(o);
    } else if (PyUnicode_Check(o)) {
        b = PyUnicode_IS_ASCII(o) ? PyUnicode_AsASCIIString(o)
                                  : PyUnicode_AsEncodedString(o, "idna", NULL);
    } else {
        PyErr_Format(PyExc_TypeError, "str, bytes or bytearray expected, not %.200s",
                     Py_TYPE(o)->tp_name);
        return 0;
    }
    if (!b) {
        return 0;
    }
    if (strlen(PyBytes_AS_STRING(b)) != (size_t)PyBytes_GET_SIZE(b)) {
        Py_DECREF(b);
        PyErr_SetString(PyExc_TypeError, "host name must not contain null character");
        return 0;
    }
    *(PyObject **)out = b;
    return 1;
}

/* Resolves a name. 0/-1. */
static int
resolve(SockState *st, const char *name, int family, Address *out, socklen_t *len)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM}, *res = NULL;
    int error;
    memset(out, 0, sizeof(*out));
    if (!*name) {
        hints.ai_flags = AI_PASSIVE;
        Py_BEGIN_ALLOW_THREADS
        error = getaddrinfo(NULL, "0", &hints, &res);
        Py_END_ALLOW_THREADS
    } else if (!strcmp(name, "<broadcast>") || !strcmp(name, "255.255.255.255")) {
        if (family != AF_INET && family != AF_UNSPEC) {
            PyErr_SetString(PyExc_OSError, "address family mismatched");
            return -1;
        }
        out->in.sin_family = AF_INET;
        out->in.sin_addr.s_addr = INADDR_BROADCAST;
        *len = sizeof(out->in);
        return 0;
    } else if (family != AF_INET6 && inet_pton(AF_INET, name, &out->in.sin_addr) > 0) {
        out->in.sin_family = AF_INET;
        *len = sizeof(out->in);
        return 0;
    } else if (family != AF_INET && inet_pton(AF_INET6, name, &out->in6.sin6_addr) > 0) {
        out->in6.sin6_family = AF_INET6;
        *len = sizeof(out->in6);
        return 0;
    } else {
        memset(out, 0, sizeof(*out));
        hints.ai_socktype = 0;
        Py_BEGIN_ALLOW_THREADS
        error = getaddrinfo(name, NULL, &hints, &res);
        Py_END_ALLOW_THREADS
    }
    if (error) {
        set_gai_error(st, error);
        return -1;
    }
    if (res->ai_addrlen <= sizeof(*out)) {
        memcpy(out, res->ai_addr, res->ai_addrlen);
    }
    *len = res->ai_addrlen;
    freeaddrinfo(res);
    return 0;
}

static int
need_tuple(PyObject *arg, const char *caller, const char *family)
{
    if (PyTuple_Check(arg)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s(): %s address must be tuple, not %.500s", caller,
                 family, Py_TYPE(arg)->tp_name);
    return -1;
}

static int
check_port(int port, const char *caller, const char *what)
{
    if (port < 0 || port > 0xffff) {
        PyErr_Format(PyExc_OverflowError, "%s(): %s must be 0-65535.", caller, what);
        return -1;
    }
    return 0;
}

static int
interface_index(NjSock *s, PyObject *name, int *out)
{
    struct ifreq ifr = {0};
    Py_ssize_t n = PyBytes_GET_SIZE(name);
    if (n == 0) {
        *out = 0;
        return 0;
    }
    if ((size_t)n >= sizeof(ifr.ifr_name)) {
        PyErr_SetString(PyExc_OSError, "AF_CAN interface name too long");
        return -1;
    }
    memcpy(ifr.ifr_name, PyBytes_AS_STRING(name), (size_t)n);
    if (ioctl(s->fd, SIOCGIFINDEX, &ifr) < 0) {
        os_error();
        return -1;
    }
    *out = ifr.ifr_ifindex;
    return 0;
}

static int
unix_address(PyObject *arg, Address *out, socklen_t *len)
{
    NJ_OWN path = NULL;
    if (PyUnicode_Check(arg)) {
        path = PyUnicode_EncodeFSDefault(arg);
    } else {
        /* any buffer is copied, so that one kind remains */
        Py_buffer view;
        if (PyObject_GetBuffer(arg, &view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        path = PyBytes_FromStringAndSize(view.buf, view.len);
        PyBuffer_Release(&view);
    }
    if (!path) {
        return -1;
    }
    size_t n = (size_t)PyBytes_GET_SIZE(path);
    const char *text = PyBytes_AS_STRING(path);
    bool abstract = n == 0 || text[0] == 0;
    if (abstract ? n > sizeof(out->un.sun_path) : n >= sizeof(out->un.sun_path)) {
        PyErr_SetString(PyExc_OSError, "AF_UNIX path too long");
        return -1;
    }
    out->un.sun_family = AF_UNIX;
    memcpy(out->un.sun_path, text, n);
    if (!abstract) {
        out->un.sun_path[n] = 0;
    }
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + !abstract);
    return 0;
}

/* The address argument of a method of s. 0/-1. */
static int
read_address(NjSock *s, PyObject *arg, Address *out, socklen_t *len, const char *caller)
{
    memset(out, 0, sizeof(*out));
    NJ_OWN host = NULL;
    switch (s->family) {
    case AF_UNIX:
        return unix_address(arg, out, len);
    case AF_INET: {
        int port;
        if (need_tuple(arg, caller, "AF_INET") < 0) {
            return -1;
        }
        if (!PyArg_ParseTuple(arg, "O&i;AF_INET address must be a pair (host, port)",
                              host_converter, &host, &port)) {
            return -1;
        }
        if (resolve(s->state, PyBytes_AS_STRING(host), AF_INET, out, len) < 0
            || check_port(port, caller, "port") < 0) {
            return -1;
        }
        out->in.sin_family = AF_INET;
        out->in.sin_port = htons((uint16_t)port);
        *len = sizeof(out->in);
        return 0;
    }
    case AF_INET6: {
        int port;
        unsigned flowinfo = 0, scope = 0;
        if (need_tuple(arg, caller, "AF_INET6") < 0) {
            return -1;
        }
        if (!PyArg_ParseTuple(arg,
                              "O&i|II;AF_INET6 address must be a tuple "
                              "(host, port[, flowinfo[, scopeid]])",
                              host_converter, &host, &port, &flowinfo, &scope)) {
            return -1;
        }
        if (resolve(s->state, PyBytes_AS_STRING(host), AF_INET6, out, len) < 0
            || check_port(port, caller, "port") < 0) {
            return -1;
        }
        if (flowinfo > 0xfffff) {
            PyErr_Format(PyExc_OverflowError, "%s(): flowinfo must be 0-1048575.",
                         caller);
            return -1;
        }
        out->in6.sin6_family = AF_INET6;
        out->in6.sin6_port = htons((uint16_t)port);
        out->in6.sin6_flowinfo = htonl(flowinfo);
        if (PyTuple_GET_SIZE(arg) > 3 || !out->in6.sin6_scope_id) {
            out->in6.sin6_scope_id = scope;
        }
        *len = sizeof(out->in6);
        return 0;
    }
    case AF_NETLINK: {
        unsigned pid, groups;
        if (need_tuple(arg, caller, "AF_NETLINK") < 0
            || !PyArg_ParseTuple(arg, "II;AF_NETLINK address must be a pair (pid, groups)",
                                 &pid, &groups)) {
            return -1;
        }
        out->nl.nl_family = AF_NETLINK;
        out->nl.nl_pid = pid;
        out->nl.nl_groups = groups;
        *len = sizeof(out->nl);
        return 0;
    }
    case AF_QIPCRTR: {
        unsigned node, port;
        if (need_tuple(arg, caller, "AF_QIPCRTR") < 0
            || !PyArg_ParseTuple(arg, "II", &node, &port)) {
            return -1;
        }
        out->qrtr.sq_family = AF_QIPCRTR;
        out->qrtr.sq_node = node;
        out->qrtr.sq_port = port;
        *len = sizeof(out->qrtr);
        return 0;
    }
    case AF_VSOCK: {
        unsigned cid, port;
        if (need_tuple(arg, caller, "AF_VSOCK") < 0
            || !PyArg_ParseTuple(arg, "II", &cid, &port)) {
            return -1;
        }
        out->vm.svm_family = AF_VSOCK;
        out->vm.svm_cid = cid;
        out->vm.svm_port = port;
        *len = sizeof(out->vm);
        return 0;
    }
    case AF_PACKET: {
        const char *name;
        int proto, pkttype = 0, hatype = 0;
        NJ_OWN_BUF haddr = {0};
        if (need_tuple(arg, caller, "AF_PACKET") < 0) {
            return -1;
        }
        if (!PyArg_ParseTuple(arg,
                              "si|iiy*;AF_PACKET address must be a tuple of "
                              "two to five elements",
                              &name, &proto, &pkttype, &hatype, &haddr)) {
            return -1;
        }
        struct ifreq ifr = {0};
        strncpy(ifr.ifr_name, name, sizeof(ifr.ifr_name) - 1);
        if (ioctl(s->fd, SIOCGIFINDEX, &ifr) < 0) {
            os_error();
            return -1;
        }
        if (haddr.obj && haddr.len > 8) {
            PyErr_SetString(PyExc_ValueError, "Hardware address must be 8 bytes or less");
            return -1;
        }
        if (check_port(proto, caller, "proto") < 0) {
            return -1;
        }
        out->ll.sll_family = AF_PACKET;
        out->ll.sll_protocol = htons((uint16_t)proto);
        out->ll.sll_ifindex = ifr.ifr_ifindex;
        out->ll.sll_pkttype = (unsigned char)pkttype;
        out->ll.sll_hatype = (unsigned short)hatype;
        if (haddr.obj) {
            memcpy(out->ll.sll_addr, haddr.buf, (size_t)haddr.len);
            out->ll.sll_halen = (unsigned char)haddr.len;
        }
        *len = sizeof(out->ll);
        return 0;
    }
    case AF_CAN: {
        NJ_OWN name = NULL;
        int index;
        if (need_tuple(arg, caller, "AF_CAN") < 0) {
            return -1;
        }
        out->can.can_family = AF_CAN;
        *len = sizeof(out->can);
        if (s->proto == CAN_ISOTP) {
            unsigned long rx, tx;
            if (!PyArg_ParseTuple(arg, "O&kk", PyUnicode_FSConverter, &name, &rx, &tx)) {
                return -1;
            }
            out->can.can_addr.tp.rx_id = (canid_t)rx;
            out->can.can_addr.tp.tx_id = (canid_t)tx;
        } else if (s->proto == CAN_J1939) {
            unsigned long long j_name;
            unsigned pgn;
            unsigned char addr;
            if (!PyArg_ParseTuple(arg, "O&KIb", PyUnicode_FSConverter, &name, &j_name,
                                  &pgn, &addr)) {
                return -1;
            }
            out->can.can_addr.j1939.name = j_name;
            out->can.can_addr.j1939.pgn = pgn;
            out->can.can_addr.j1939.addr = addr;
        } else if (!PyArg_ParseTuple(arg, "O&;AF_CAN address must be a tuple (interface, )",
                                     PyUnicode_FSConverter, &name)) {
            return -1;
        }
        if (interface_index(s, name, &index) < 0) {
            return -1;
        }
        out->can.can_ifindex = index;
        return 0;
    }
    case AF_ALG: {
        const char *type, *name;
        if (need_tuple(arg, caller, "AF_ALG") < 0
            || !PyArg_ParseTuple(arg,
                                 "ss|HH;AF_ALG address must be a tuple (type, name[, "
                                 "feat[, mask]])",
                                 &type, &name, &out->alg.salg_feat,
                                 &out->alg.salg_mask)) {
            return -1;
        }
        if (strlen(type) >= sizeof(out->alg.salg_type)) {
            PyErr_SetString(PyExc_ValueError, "AF_ALG type too long.");
            return -1;
        }
        if (strlen(name) >= sizeof(out->alg.salg_name)) {
            PyErr_SetString(PyExc_ValueError, "AF_ALG name too long.");
            return -1;
        }
        out->alg.salg_family = AF_ALG;
        strcpy((char *)out->alg.salg_type, type);
        strcpy((char *)out->alg.salg_name, name);
        *len = sizeof(out->alg);
        return 0;
    }
    default:
        PyErr_Format(PyExc_OSError, "%s(): bad family", caller);
        return -1;
    }
}

/* ---- addresses out ------------------------------------------------------------------------ */

static PyObject *
ip_text(int family, const void *address)
{
    char text[INET6_ADDRSTRLEN];
    return inet_ntop(family, address, text, sizeof(text)) ? PyUnicode_FromString(text)
                                                          : os_error();
}

/* The Python form of an address. fd names interfaces; proto tells the CAN kinds. New. */
static PyObject *
make_address(int fd, const Address *a, socklen_t len, int proto)
{
    if (len == 0) {
        Py_RETURN_NONE;
    }
    struct ifreq ifr = {0};
    switch (a->sa.sa_family) {
    case AF_INET: {
        PyObject *host = ip_text(AF_INET, &a->in.sin_addr);
        return host ? Py_BuildValue("Ni", host, ntohs(a->in.sin_port)) : NULL;
    }
    case AF_INET6: {
        PyObject *host = ip_text(AF_INET6, &a->in6.sin6_addr);
        return host ? Py_BuildValue("NiII", host, ntohs(a->in6.sin6_port),
                                    ntohl(a->in6.sin6_flowinfo), a->in6.sin6_scope_id)
                    : NULL;
    }
    case AF_UNIX: {
        size_t head = offsetof(struct sockaddr_un, sun_path);
        if (len > head && a->un.sun_path[0] == 0) {
            return PyBytes_FromStringAndSize(a->un.sun_path, (Py_ssize_t)(len - head));
        }
        size_t max = len > head ? len - head : 0;
        return PyUnicode_DecodeFSDefaultAndSize(
            a->un.sun_path, (Py_ssize_t)strnlen(a->un.sun_path, max));
    }
    case AF_NETLINK:
        return Py_BuildValue("II", a->nl.nl_pid, a->nl.nl_groups);
    case AF_QIPCRTR:
        return Py_BuildValue("II", a->qrtr.sq_node, a->qrtr.sq_port);
    case AF_VSOCK:
        return Py_BuildValue("II", a->vm.svm_cid, a->vm.svm_port);
    case AF_PACKET: {
        const char *name = "";
        if (a->ll.sll_ifindex) {
            ifr.ifr_ifindex = a->ll.sll_ifindex;
            if (ioctl(fd, SIOCGIFNAME, &ifr) == 0) {
                name = ifr.ifr_name;
            }
        }
        return Py_BuildValue("O&hbhy#", PyUnicode_DecodeFSDefault, name,
                             ntohs(a->ll.sll_protocol), a->ll.sll_pkttype,
                             a->ll.sll_hatype, a->ll.sll_addr,
                             (Py_ssize_t)(a->ll.sll_halen > 8 ? 8 : a->ll.sll_halen));
    }
    case AF_CAN: {
        const char *name = "";
        if (a->can.can_ifindex) {
            ifr.ifr_ifindex = a->can.can_ifindex;
            if (ioctl(fd, SIOCGIFNAME, &ifr) == 0) {
                name = ifr.ifr_name;
            }
        }
        if (proto == CAN_ISOTP) {
            return Py_BuildValue("O&kk", PyUnicode_DecodeFSDefault, name,
                                 (unsigned long)a->can.can_addr.tp.rx_id,
                                 (unsigned long)a->can.can_addr.tp.tx_id);
        }
        if (proto == CAN_J1939) {
            return Py_BuildValue("O&KIB", PyUnicode_DecodeFSDefault, name,
                                 (unsigned long long)a->can.can_addr.j1939.name,
                                 (unsigned)a->can.can_addr.j1939.pgn,
                                 a->can.can_addr.j1939.addr);
        }
        return Py_BuildValue("O&", PyUnicode_DecodeFSDefault, name);
    }
    case AF_ALG:
        return Py_BuildValue("s#s#", a->alg.salg_type,
                             (Py_ssize_t)strnlen((const char *)a->alg.salg_type, 14),
                             a->alg.salg_name,
                             (Py_ssize_t)strnlen((const char *)a->alg.salg_name, 64));
    default:
        return Py_BuildValue("iy#", a->sa.sa_family, a->sa.sa_data,
                             (Py_ssize_t)(len > 2 ? len - 2 : 0));
    }
}

/* ---- socket objects ----------------------------------------------------------------------- */

static PyObject *
sock_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    NjSock *s = (NjSock *)type->tp_alloc(type, 0);
    if (!s) {
        return NULL;
    }
    s->fd = -1;
    s->errorhandler = os_error;
    PyObject *module = PyType_GetModuleByDef(type, &socket_module);
    if (!module) {
        Py_DECREF(s);
        return NULL;
    }
    s->state = state_of(module);
    s->timeout = s->state->default_timeout;
    return (PyObject *)s;
}

static int
adopt(NjSock *s, int fd, int family, int type, int proto)
{
    s->fd = fd;
    s->family = family;
    s->type = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    s->proto = proto;
    if (type & SOCK_NONBLOCK) {
        s->timeout = 0;
    } else {
        s->timeout = s->state->default_timeout;
        if (s->timeout >= 0) {
            return set_nonblocking(fd, true);
        }
    }
    return 0;
}

static int
sock_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"family", "type", "proto", "fileno", NULL};
    NjSock *s = (NjSock *)op;
    int family = -1, type = -1, proto = -1;
    PyObject *fileno_ = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|iiiO:socket", names, &family, &type,
                                     &proto, &fileno_)) {
        return -1;
    }
    if (PySys_Audit("socket.__new__", "Oiii", op, family, type, proto) < 0) {
        return -1;
    }
    if (!fileno_ || fileno_ == Py_None) {
        family = family == -1 ? AF_INET : family;
        type = type == -1 ? SOCK_STREAM : type;
        proto = proto == -1 ? 0 : proto;
        int fd;
        Py_BEGIN_ALLOW_THREADS
        fd = socket(family, type | SOCK_CLOEXEC, proto);
        Py_END_ALLOW_THREADS
        if (fd < 0) {
            os_error();
            return -1;
        }
        if (adopt(s, fd, family, type, proto) < 0) {
            s->fd = -1;
            close(fd);
            return -1;
        }
        return 0;
    }
    int fd = PyLong_AsInt(fileno_);
    if (fd == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (fd < 0) {
        PyErr_SetString(PyExc_ValueError, "negative file descriptor");
        return -1;
    }
    Address a = {0};
    socklen_t len = sizeof(a);
    if (getsockname(fd, &a.sa, &len) < 0) {
        if (family == -1 || errno == EBADF || errno == ENOTSOCK) {
            os_error();
            return -1;
        }
    } else if (family == -1) {
        family = a.sa.sa_family;
    }
    int value;
    len = sizeof(value);
    if (type == -1) {
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) < 0) {
            os_error();
            return -1;
        }
        type = value;
    }
    if (proto == -1) {
        len = sizeof(value);
        proto = getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &len) < 0 ? 0 : value;
    }
    return adopt(s, fd, family, type, proto);
}

static int
sock_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
sock_finalize(PyObject *op)
{
    NjSock *s = (NjSock *)op;
    if (s->fd == -1) {
        return;
    }
    PyObject *saved = PyErr_GetRaisedException();
    if (PyErr_ResourceWarning(op, 1, "unclosed %R", op) < 0
        && PyErr_ExceptionMatches(PyExc_Warning)) {
        PyErr_FormatUnraisable("Exception ignored while finalizing socket %R", op);
    }
    int fd = s->fd;
    s->fd = -1;
    Py_BEGIN_ALLOW_THREADS
    close(fd);
    Py_END_ALLOW_THREADS
    PyErr_SetRaisedException(saved);
}

static void
sock_dealloc(PyObject *op)
{
    if (PyObject_CallFinalizerFromDealloc(op) < 0) {
        return;
    }
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
sock_repr(PyObject *op)
{
    NjSock *s = (NjSock *)op;
    return PyUnicode_FromFormat("<socket object, fd=%d, family=%d, type=%d, proto=%d>",
                                s->fd, s->family, s->type, s->proto);
}

typedef struct AcceptCall {
    Address *address;
    socklen_t *len;
    int fd;
} AcceptCall;

static bool
do_accept(NjSock *s, void *data)
{
    AcceptCall *c = data;
    c->fd = accept4(s->fd, &c->address->sa, c->len, SOCK_CLOEXEC);
    return c->fd >= 0;
}

static PyObject *
sock_accept(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjSock *s = (NjSock *)op;
    Address a = {0};
    socklen_t len = sizeof(a);
    AcceptCall c = {&a, &len, -1};
    if (sock_call(s, false, false, do_accept, &c, NULL, s->timeout) < 0) {
        return NULL;
    }
    NJ_OWN fd = PyLong_FromLong(c.fd);
    NJ_OWN address = fd ? make_address(s->fd, &a, len, s->proto) : NULL;
    PyObject *r = address ? PyTuple_Pack(2, fd, address) : NULL;
    if (!r) {
        close(c.fd);
    }
    return r;
}

static PyObject *
sock_bind(PyObject *op, PyObject *arg)
{
    NjSock *s = (NjSock *)op;
    Address a;
    socklen_t len;
    if (read_address(s, arg, &a, &len, "bind") < 0
        || PySys_Audit("socket.bind", "OO", op, arg) < 0) {
        return NULL;
    }
    int r;
    Py_BEGIN_ALLOW_THREADS
    r = bind(s->fd, &a.sa, len);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return os_error();
    }
    Py_RETURN_NONE;
}

static PyObject *
sock_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjSock *s = (NjSock *)op;
    int fd = s->fd, r;
    if (fd != -1) {
        s->fd = -1;
        Py_BEGIN_ALLOW_THREADS
        r = close(fd);
        Py_END_ALLOW_THREADS
        /* the peer's reset is no failure of closing */
        if (r < 0 && errno != ECONNRESET) {
            return os_error();
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
sock_detach(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjSock *s = (NjSock *)op;
    int fd = s->fd;
    s->fd = -1;
    return PyLong_FromLong(fd);
}

/* The outcome of a connect() that went on in the background. */
static bool
finish_connect(NjSock *s, void *Py_UNUSED(data))
{
    int err;
    socklen_t len = sizeof(err);
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0) {
        return false;
    }
    if (err == EISCONN || err == 0) {
        return true;
    }
    errno = err;
    return false;
}

/* 0, an errno, or -1 with an exception. raise: errors become exceptions (then -1). */
static int
connect_to(NjSock *s, const Address *a, socklen_t len, bool raise)
{
    int r, err;
    Py_BEGIN_ALLOW_THREADS
    r = connect(s->fd, &a->sa, len);
    err = errno;
    Py_END_ALLOW_THREADS
    if (r == 0) {
        return 0;
    }
    bool wait = err == EINTR ? s->timeout != 0 : err == EINPROGRESS && s->timeout > 0;
    if (err == EINTR && PyErr_CheckSignals() < 0) {
        return -1;
    }
    if (!wait) {
        if (raise) {
            errno = err;
            os_error();
            return -1;
        }
        return err;
    }
    if (raise) {
        return sock_call(s, true, true, finish_connect, NULL, NULL, s->timeout);
    }
    sock_call(s, true, true, finish_connect, NULL, &err, s->timeout);
    return err;
}

static PyObject *
sock_connect(PyObject *op, PyObject *arg)
{
    Address a;
    socklen_t len;
    if (read_address((NjSock *)op, arg, &a, &len, "connect") < 0
        || PySys_Audit("socket.connect", "OO", op, arg) < 0
        || connect_to((NjSock *)op, &a, len, true) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
sock_connect_ex(PyObject *op, PyObject *arg)
{
    Address a;
    socklen_t len;
    if (read_address((NjSock *)op, arg, &a, &len, "connect_ex") < 0
        || PySys_Audit("socket.connect", "OO", op, arg) < 0) {
        return NULL;
    }
    int err = connect_to((NjSock *)op, &a, len, false);
    return err < 0 ? NULL : PyLong_FromLong(err);
}

static PyObject *
sock_fileno(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(((NjSock *)op)->fd);
}

static PyObject *
name_of(PyObject *op, int (*get)(int, struct sockaddr *restrict, socklen_t *restrict))
{
    NjSock *s = (NjSock *)op;
    Address a = {0};
    socklen_t len = sizeof(a);
    int r;
    Py_BEGIN_ALLOW_THREADS
    r = get(s->fd, &a.sa, &len);
    Py_END_ALLOW_THREADS
    return r < 0 ? os_error() : make_address(s->fd, &a, len, s->proto);
}

static PyObject *
sock_getsockname(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return name_of(op, getsockname);
}

static PyObject *
sock_getpeername(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return name_of(op, getpeername);
}

static PyObject *
sock_getsockopt(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    NjSock *s = (NjSock *)op;
    int level, option, size = 0;
    if (!_PyArg_ParseStack(args, nargs, "ii|i:getsockopt", &level, &option, &size)) {
        return NULL;
    }
    if (size == 0 && s->family == AF_VSOCK) {
        /* options of this family are 64 bits wide */
        uint64_t value = 0;
        socklen_t len = sizeof(value);
        if (getsockopt(s->fd, level, option, &value, &len) < 0) {
            return os_error();
        }
        return PyLong_FromUnsignedLongLong(value);
    }
    if (size == 0) {
        int value = 0;
        socklen_t len = sizeof(value);
        if (getsockopt(s->fd, level, option, &value, &len) < 0) {
            return os_error();
        }
        return PyLong_FromLong(value);
    }
    if (size < 0 || size > 1024) {
        PyErr_SetString(PyExc_OSError, "getsockopt buflen out of range");
        return NULL;
    }
    char buffer[1024];
    socklen_t len = (socklen_t)size;
    if (getsockopt(s->fd, level, option, buffer, &len) < 0) {
        return os_error();
    }
    return PyBytes_FromStringAndSize(buffer, (Py_ssize_t)len);
}

static PyObject *
sock_setsockopt(PyObject *op, PyObject *args)
{
    NjSock *s = (NjSock *)op;
    Py_ssize_t nargs = PyTuple_GET_SIZE(args);
    int level, option, value, r;
    unsigned long long wide;
    if (s->family == AF_VSOCK && nargs == 3 && PyLong_Check(PyTuple_GET_ITEM(args, 2))) {
        if (!PyArg_ParseTuple(args, "iiK:setsockopt", &level, &option, &wide)) {
            return NULL;
        }
        r = setsockopt(s->fd, level, option, &wide, sizeof(wide));
    } else if (nargs == 4 && PyTuple_GET_ITEM(args, 2) == Py_None) {
        PyObject *none;
        unsigned len;
        if (!PyArg_ParseTuple(args, "iiOI:setsockopt", &level, &option, &none, &len)) {
            return NULL;
        }
        r = setsockopt(s->fd, level, option, NULL, len);
    } else if (nargs != 3) {
        PyErr_Format(PyExc_TypeError, "setsockopt() takes exactly 3 arguments (%zd given)",
                     nargs);
        return NULL;
    } else if (PyArg_ParseTuple(args, "iii:setsockopt", &level, &option, &value)) {
        r = setsockopt(s->fd, level, option, &value, sizeof(value));
    } else {
        PyErr_Clear();
        NJ_OWN_BUF view = {0};
        if (!PyArg_ParseTuple(args, "iiy*:setsockopt", &level, &option, &view)) {
            return NULL;
        }
        if (view.len > INT_MAX) {
            PyErr_Format(PyExc_OverflowError, "socket option is larger than %i bytes",
                         INT_MAX);
            return NULL;
        }
        r = setsockopt(s->fd, level, option, view.buf, (socklen_t)view.len);
    }
    if (r < 0) {
        return os_error();
    }
    Py_RETURN_NONE;
}

static PyObject *
sock_listen(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    int backlog = SOMAXCONN < 128 ? SOMAXCONN : 128, r;
    if (!_PyArg_ParseStack(args, nargs, "|i:listen", &backlog)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = listen(((NjSock *)op)->fd, backlog < 0 ? 0 : backlog);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return os_error();
    }
    Py_RETURN_NONE;
}

static PyObject *
sock_shutdown(PyObject *op, PyObject *arg)
{
    int how = PyLong_AsInt(arg), r;
    if (how == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = shutdown(((NjSock *)op)->fd, how);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return os_error();
    }
    Py_RETURN_NONE;
}

static int
apply_timeout(NjSock *s, PyTime_t timeout)
{
    s->timeout = timeout;
    return set_nonblocking(s->fd, timeout >= 0);
}

static PyObject *
sock_setblocking(PyObject *op, PyObject *arg)
{
    int block = PyObject_IsTrue(arg);
    if (block < 0 || apply_timeout((NjSock *)op, block ? -1 : 0) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
sock_getblocking(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(((NjSock *)op)->timeout != 0);
}

static PyObject *
sock_settimeout(PyObject *op, PyObject *arg)
{
    PyTime_t t;
    if (read_timeout(arg, &t) < 0 || apply_timeout((NjSock *)op, t) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
sock_gettimeout(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return timeout_object(((NjSock *)op)->timeout);
}

static PyObject *
sock_get_timeout(PyObject *op, void *Py_UNUSED(closure))
{
    return timeout_object(((NjSock *)op)->timeout);
}

/* ---- receiving ---------------------------------------------------------------------------- */

typedef struct RecvCall {
    void *buf;
    size_t size;
    int flags;
    Address *address; /* or NULL */
    socklen_t *len;
    ssize_t result;
} RecvCall;

static bool
do_recv(NjSock *s, void *data)
{
    RecvCall *c = data;
    c->result = c->address
                    ? recvfrom(s->fd, c->buf, c->size, c->flags, &c->address->sa, c->len)
                    : recv(s->fd, c->buf, c->size, c->flags);
    return c->result >= 0;
}

static Py_ssize_t
receive(NjSock *s, void *buf, Py_ssize_t size, int flags, Address *address,
        socklen_t *len)
{
    RecvCall c = {buf, (size_t)size, flags, address, len, 0};
    return sock_call(s, false, false, do_recv, &c, NULL, s->timeout) < 0 ? -1 : c.result;
}

static PyObject *
receive_bytes(NjSock *s, Py_ssize_t size, int flags, Address *address, socklen_t *len)
{
    PyObject *b = PyBytes_FromStringAndSize(NULL, size);
    if (!b) {
        return NULL;
    }
    Py_ssize_t n =
        size || address ? receive(s, PyBytes_AS_STRING(b), size, flags, address, len) : 0;
    if (n < 0) {
        Py_DECREF(b);
        return NULL;
    }
    if (n != size) {
        _PyBytes_Resize(&b, n);
    }
    return b;
}

static PyObject *
sock_recv(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t size;
    int flags = 0;
    if (!_PyArg_ParseStack(args, nargs, "n|i:recv", &size, &flags)) {
        return NULL;
    }
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recv");
        return NULL;
    }
    return receive_bytes((NjSock *)op, size, flags, NULL, NULL);
}

static PyObject *
sock_recvfrom(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    NjSock *s = (NjSock *)op;
    Py_ssize_t size;
    int flags = 0;
    if (!_PyArg_ParseStack(args, nargs, "n|i:recvfrom", &size, &flags)) {
        return NULL;
    }
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recvfrom");
        return NULL;
    }
    Address a = {0};
    socklen_t len = sizeof(a);
    NJ_OWN b = receive_bytes(s, size, flags, &a, &len);
    NJ_OWN address = b ? make_address(s->fd, &a, len, s->proto) : NULL;
    return address ? PyTuple_Pack(2, b, address) : NULL;
}

static PyObject *
sock_recv_into(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static char *names[] = {"buffer", "nbytes", "flags", NULL};
    NJ_OWN_BUF view = {0};
    Py_ssize_t size = 0;
    int flags = 0;
    if (!nj_args_parse(args, nargs, kwnames, "w*|ni:recv_into", names, &view, &size,
                                     &flags)) {
        return NULL;
    }
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recv_into");
        return NULL;
    }
    if (size == 0) {
        size = view.len;
    }
    if (view.len < size) {
        PyErr_SetString(PyExc_ValueError, "buffer too small for requested bytes");
        return NULL;
    }
    Py_ssize_t n = size ? receive((NjSock *)op, view.buf, size, flags, NULL, NULL) : 0;
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

static PyObject *
sock_recvfrom_into(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static char *names[] = {"buffer", "nbytes", "flags", NULL};
    NjSock *s = (NjSock *)op;
    NJ_OWN_BUF view = {0};
    Py_ssize_t size = 0;
    int flags = 0;
    if (!nj_args_parse(args, nargs, kwnames, "w*|ni:recvfrom_into", names, &view,
                                     &size, &flags)) {
        return NULL;
    }
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recvfrom_into");
        return NULL;
    }
    if (size == 0) {
        size = view.len;
    } else if (size > view.len) {
        PyErr_SetString(PyExc_ValueError,
                        "nbytes is greater than the length of the buffer");
        return NULL;
    }
    Address a = {0};
    socklen_t len = sizeof(a);
    Py_ssize_t n = receive(s, view.buf, size, flags, &a, &len);
    if (n < 0) {
        return NULL;
    }
    NJ_OWN address = make_address(s->fd, &a, len, s->proto);
    return address ? Py_BuildValue("nO", n, address) : NULL;
}

typedef struct MsgCall {
    struct msghdr *msg;
    int flags;
    ssize_t result;
} MsgCall;

static bool
do_recvmsg(NjSock *s, void *data)
{
    MsgCall *c = data;
    c->result = recvmsg(s->fd, c->msg, c->flags);
    return c->result >= 0;
}

static bool
do_sendmsg(NjSock *s, void *data)
{
    MsgCall *c = data;
    c->result = sendmsg(s->fd, c->msg, c->flags);
    return c->result >= 0;
}

/* The list of (level, type, data) of a received message. */
static PyObject *
ancillary_list(struct msghdr *msg)
{
    NJ_OWN list = PyList_New(0);
    const char *end = (const char *)msg->msg_control + msg->msg_controllen;
    struct cmsghdr *h = msg->msg_controllen ? CMSG_FIRSTHDR(msg) : NULL;
    for (; list && h; h = CMSG_NXTHDR(msg, h)) {
        const char *data = (const char *)CMSG_DATA(h);
        if (h->cmsg_len < CMSG_LEN(0)) {
            break;
        }
        Py_ssize_t n = (Py_ssize_t)(h->cmsg_len - CMSG_LEN(0));
        bool cut = data > end || end - data < n;
        if (cut) {
            n = data < end ? end - data : 0;
            if (PyErr_WarnEx(PyExc_RuntimeWarning,
                             "received malformed or improperly-truncated ancillary data",
                             1) < 0) {
                return NULL;
            }
        }
        NJ_OWN item = Py_BuildValue("iiy#", h->cmsg_level, h->cmsg_type, data, n);
        if (!item || PyList_Append(list, item) < 0) {
            return NULL;
        }
        if (cut) {
            break;
        }
    }
    return NJ_TAKE(list);
}

/* Receives into iov; first is what the result tuple begins with, made by make(n). */
static PyObject *
receive_message(NjSock *s, struct iovec *iov, int niov, int flags, Py_ssize_t ancsize,
                PyObject *(*make)(Py_ssize_t, void *), void *data)
{
    if (ancsize < 0 || ancsize > INT_MAX) {
        PyErr_SetString(PyExc_ValueError, "invalid ancillary data buffer length");
        return NULL;
    }
    NJ_OWN_MEM(char) control = NULL;
    if (ancsize) {
        control = PyMem_Malloc((size_t)ancsize);
        if (!control) {
            return PyErr_NoMemory();
        }
    }
    Address a = {0};
    struct msghdr msg = {.msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = iov,
                         .msg_iovlen = (size_t)niov, .msg_control = control,
                         .msg_controllen = (size_t)ancsize};
    MsgCall c = {&msg, flags, 0};
    if (sock_call(s, false, false, do_recvmsg, &c, NULL, s->timeout) < 0) {
        return NULL;
    }
    NJ_OWN list = ancillary_list(&msg);
    if (!list) {
        /* descriptors that nobody will learn of must not stay open */
        for (struct cmsghdr *h = CMSG_FIRSTHDR(&msg); h; h = CMSG_NXTHDR(&msg, h)) {
            if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS
                && h->cmsg_len >= CMSG_LEN(0)) {
                size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                    int fd;
                    memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
                    close(fd);
                }
            }
        }
        return NULL;
    }
    NJ_OWN first = make(c.result, data);
    NJ_OWN address =
        first ? make_address(s->fd, &a,
                             msg.msg_namelen > sizeof(a) ? sizeof(a) : msg.msg_namelen,
                             s->proto)
              : NULL;
    return address ? Py_BuildValue("OOiO", first, list, msg.msg_flags, address) : NULL;
}

static PyObject *
make_bytes(Py_ssize_t n, void *data)
{
    PyObject **b = data;
    if (PyBytes_GET_SIZE(*b) != n && _PyBytes_Resize(b, n) < 0) {
        return NULL;
    }
    return Py_NewRef(*b);
}

static PyObject *
make_count(Py_ssize_t n, void *Py_UNUSED(data))
{
    return PyLong_FromSsize_t(n);
}

static PyObject *
sock_recvmsg(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t size, ancsize = 0;
    int flags = 0;
    if (!_PyArg_ParseStack(args, nargs, "n|ni:recvmsg", &size, &ancsize, &flags)) {
        return NULL;
    }
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffer size in recvmsg()");
        return NULL;
    }
    NJ_OWN b = PyBytes_FromStringAndSize(NULL, size);
    if (!b) {
        return NULL;
    }
    struct iovec iov = {PyBytes_AS_STRING(b), (size_t)size};
    return receive_message((NjSock *)op, &iov, 1, flags, ancsize, make_bytes, &b);
}

/* Buffers of an iterable, as an iovec array. */
typedef struct Vector {
    Py_buffer *views;
    struct iovec *iov;
    Py_ssize_t n;
} Vector;

static void
free_vector(Vector *v)
{
    for (Py_ssize_t i = 0; i < v->n; i++) {
        PyBuffer_Release(&v->views[i]);
    }
    PyMem_Free(v->views);
    PyMem_Free(v->iov);
}

#define NJ_VECTOR(name) __attribute__((cleanup(free_vector))) Vector name = {0}

static int
read_vector(PyObject *o, Vector *v, bool writable, const char *not_iterable,
            const char *bad_item)
{
    NJ_OWN fast = PySequence_Fast(o, not_iterable);
    /* a tuple, because taking a buffer may run code that changes the list */
    NJ_OWN items = fast ? PySequence_Tuple(fast) : NULL;
    if (!items) {
        return -1;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(items);
    if (n > INT_MAX) {
        PyErr_SetString(PyExc_OSError, "argument 1 is too long");
        return -1;
    }
    v->views = PyMem_New(Py_buffer, n ? n : 1);
    v->iov = PyMem_New(struct iovec, n ? n : 1);
    if (!v->views || !v->iov) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_buffer *view = &v->views[i];
        if (PyObject_GetBuffer(PyTuple_GET_ITEM(items, i), view,
                               writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0) {
            if (bad_item) {
                PyErr_SetString(PyExc_TypeError, bad_item);
            }
            return -1;
        }
        v->iov[i] = (struct iovec){view->buf, (size_t)view->len};
        v->n = i + 1;
    }
    return 0;
}

static PyObject *
sock_recvmsg_into(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *buffers;
    Py_ssize_t ancsize = 0;
    int flags = 0;
    if (!_PyArg_ParseStack(args, nargs, "O|ni:recvmsg_into", &buffers, &ancsize, &flags)) {
        return NULL;
    }
    NJ_VECTOR(v);
    if (read_vector(buffers, &v, true, "recvmsg_into() argument 1 must be an iterable",
                    "recvmsg_into() argument 1 must be an iterable of single-segment "
                    "read-write buffers") < 0) {
        return NULL;
    }
    return receive_message((NjSock *)op, v.iov, (int)v.n, flags, ancsize, make_count,
                           NULL);
}

/* ---- sending ------------------------------------------------------------------------------ */

typedef struct SendCall {
    const char *buf;
    size_t size;
    int flags;
    const Address *address; /* or NULL */
    socklen_t len;
    ssize_t result;
} SendCall;

static bool
do_send(NjSock *s, void *data)
{
    SendCall *c = data;
    c->result = c->address
                    ? sendto(s->fd, c->buf, c->size, c->flags, &c->address->sa, c->len)
                    : send(s->fd, c->buf, c->size, c->flags);
    return c->result >= 0;
}

static PyObject *
sock_send(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    NJ_OWN_BUF view = {0};
    int flags = 0;
    if (!_PyArg_ParseStack(args, nargs, "y*|i:send", &view, &flags)) {
        return NULL;
    }
    NjSock *s = (NjSock *)op;
    SendCall c = {view.buf, (size_t)view.len, flags, NULL, 0, 0};
    if (sock_call(s, true, false, do_send, &c, NULL, s->timeout) < 0) {
        return NULL;
    }
    return PyLong_FromSsize_t(c.result);
}

static PyObject *
sock_sendall(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    NJ_OWN_BUF view = {0};
    int flags = 0;
    if (!_PyArg_ParseStack(args, nargs, "y*|i:sendall", &view, &flags)) {
        return NULL;
    }
    NjSock *s = (NjSock *)op;
    const char *p = view.buf;
    Py_ssize_t left = view.len;
    PyTime_t timeout = s->timeout;
    PyTime_t deadline = timeout > 0 ? nj_timeout_deadline(timeout) : 0;
    for (bool first = true; left > 0; first = false) {
        if (timeout > 0 && !first) {
            timeout = deadline - nj_timeout_now();
            if (timeout <= 0) {
                PyErr_SetString(PyExc_TimeoutError, "timed out");
                return NULL;
            }
        }
        SendCall c = {p, (size_t)left, flags, NULL, 0, 0};
        if (sock_call(s, true, false, do_send, &c, NULL, timeout) < 0) {
            return NULL;
        }
        p += c.result;
        left -= c.result;
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
sock_sendto(PyObject *op, PyObject *args)
{
    NjSock *s = (NjSock *)op;
    NJ_OWN_BUF view = {0};
    PyObject *target;
    int flags = 0;
    Py_ssize_t nargs = PyTuple_GET_SIZE(args);
    if (nargs == 2) {
        if (!PyArg_ParseTuple(args, "y*O:sendto", &view, &target)) {
            return NULL;
        }
    } else if (nargs == 3) {
        if (!PyArg_ParseTuple(args, "y*iO:sendto", &view, &flags, &target)) {
            return NULL;
        }
    } else {
        PyErr_Format(PyExc_TypeError, "sendto() takes 2 or 3 arguments (%zd given)",
                     nargs);
        return NULL;
    }
    Address a;
    socklen_t len;
    if (read_address(s, target, &a, &len, "sendto") < 0
        || PySys_Audit("socket.sendto", "OO", op, target) < 0) {
        return NULL;
    }
    SendCall c = {view.buf, (size_t)view.len, flags, &a, len, 0};
    if (sock_call(s, true, false, do_send, &c, NULL, s->timeout) < 0) {
        return NULL;
    }
    return PyLong_FromSsize_t(c.result);
}

/* Ancillary data of sendmsg() as one control buffer; *control owned by the caller. */
static int
read_ancillary(PyObject *o, char **control, size_t *size)
{
    NJ_OWN fast = PySequence_Fast(o, "sendmsg() argument 2 must be an iterable");
    if (!fast) {
        return -1;
    }
    /* a tuple of what will be used: items cannot change while buffers are taken */
    NJ_OWN items = PySequence_Tuple(fast);
    if (!items) {
        return -1;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(items);
    size_t used = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        int level, type;
        NJ_OWN_BUF view = {0};
        if (!PyArg_Parse(PyTuple_GET_ITEM(items, i),
                         "(iiy*):[sendmsg() ancillary data items]", &level, &type,
                         &view)) {
            return -1;
        }
        if ((size_t)view.len > INT_MAX - CMSG_SPACE(0)) {
            PyErr_SetString(PyExc_OSError, "ancillary data item too large");
            return -1;
        }
        size_t space = CMSG_SPACE((size_t)view.len);
        if (used + space > INT_MAX) {
            PyErr_SetString(PyExc_OSError, "too much ancillary data");
            return -1;
        }
        char *bigger = PyMem_Realloc(*control, used + space);
        if (!bigger) {
            PyErr_NoMemory();
            return -1;
        }
        *control = bigger;
        memset(bigger + used, 0, space);
        struct cmsghdr h = {.cmsg_len = CMSG_LEN((size_t)view.len), .cmsg_level = level,
                            .cmsg_type = type};
        memcpy(bigger + used, &h, sizeof(h));
        memcpy(bigger + used + CMSG_LEN(0), view.buf, (size_t)view.len);
        used += space;
    }
    *size = used;
    return 0;
}

static PyObject *
sock_sendmsg(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    NjSock *s = (NjSock *)op;
    PyObject *buffers, *ancdata = NULL, *target = NULL;
    int flags = 0;
    if (!_PyArg_ParseStack(args, nargs, "O|OiO:sendmsg", &buffers, &ancdata, &flags, &target)) {
        return NULL;
    }
    Address a;
    struct msghdr msg = {0};
    if (target && target != Py_None) {
        socklen_t len;
        if (read_address(s, target, &a, &len, "sendmsg") < 0
            || PySys_Audit("socket.sendmsg", "OO", op, target) < 0) {
            return NULL;
        }
        msg.msg_name = &a;
        msg.msg_namelen = len;
    } else if (PySys_Audit("socket.sendmsg", "OO", op, Py_None) < 0) {
        return NULL;
    }
    NJ_VECTOR(v);
    if (read_vector(buffers, &v, false, "sendmsg() argument 1 must be an iterable",
                    NULL) < 0) {
        return NULL;
    }
    msg.msg_iov = v.iov;
    msg.msg_iovlen = (size_t)v.n;
    NJ_OWN_MEM(char) control = NULL;
    size_t size = 0;
    if (ancdata && read_ancillary(ancdata, &control, &size) < 0) {
        return NULL;
    }
    msg.msg_control = control;
    msg.msg_controllen = size;
    MsgCall c = {&msg, flags, 0};
    if (sock_call(s, true, false, do_sendmsg, &c, NULL, s->timeout) < 0) {
        return NULL;
    }
    return PyLong_FromSsize_t(c.result);
}

static void
append_alg(char *control, size_t *used, int type, const void *data, size_t n)
{
    struct cmsghdr h = {.cmsg_len = CMSG_LEN(n), .cmsg_level = SOL_ALG, .cmsg_type = type};
    memcpy(control + *used, &h, sizeof(h));
    memcpy(control + *used + CMSG_LEN(0), data, n);
    *used += CMSG_SPACE(n);
}

static PyObject *
sock_sendmsg_afalg(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static char *names[] = {"msg", "op", "iv", "assoclen", "flags", NULL};
    NjSock *s = (NjSock *)op;
    PyObject *buffers = NULL, *op_object = NULL, *assoc_object = NULL;
    NJ_OWN_BUF iv = {0};
    int flags = 0;
    if (s->family != AF_ALG) {
        PyErr_SetString(PyExc_OSError, "algset is only supported for AF_ALG");
        return NULL;
    }
    if (!nj_args_parse(args, nargs, kwnames, "|O$Oy*Oi:sendmsg_afalg", names,
                                     &buffers, &op_object, &iv, &assoc_object, &flags)) {
        return NULL;
    }
    int operation = op_object ? PyLong_AsInt(op_object) : -1;
    if (op_object && operation == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (operation < 0) {
        PyErr_SetString(PyExc_TypeError, "Invalid or missing argument 'op'");
        return NULL;
    }
    int assoclen = -1;
    if (assoc_object) {
        assoclen = PyLong_AsInt(assoc_object);
        if (assoclen == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (assoclen < 0) {
            PyErr_SetString(PyExc_TypeError, "assoclen must be positive");
            return NULL;
        }
    }
    size_t iv_size = iv.obj ? sizeof(uint32_t) + (size_t)iv.len : 0;
    NJ_OWN_MEM(char) control = PyMem_Calloc(1, 2 * CMSG_SPACE(4) + CMSG_SPACE(iv_size));
    if (!control) {
        return PyErr_NoMemory();
    }
    size_t used = 0;
    uint32_t word = (uint32_t)operation;
    append_alg(control, &used, ALG_SET_OP, &word, sizeof(word));
    if (iv.obj) {
        NJ_OWN_MEM(char) packed = PyMem_Malloc(iv_size);
        if (!packed) {
            return PyErr_NoMemory();
        }
        uint32_t n = (uint32_t)iv.len;
        memcpy(packed, &n, sizeof(n));
        memcpy(packed + sizeof(n), iv.buf, n);
        append_alg(control, &used, ALG_SET_IV, packed, iv_size);
    }
    if (assoclen >= 0) {
        word = (uint32_t)assoclen;
        append_alg(control, &used, ALG_SET_AEAD_ASSOCLEN, &word, sizeof(word));
    }
    NJ_VECTOR(v);
    if (buffers
        && read_vector(buffers, &v, false,
                       "sendmsg_afalg() argument 1 must be an iterable", NULL) < 0) {
        return NULL;
    }
    struct msghdr msg = {.msg_iov = v.iov, .msg_iovlen = (size_t)v.n,
                         .msg_control = control, .msg_controllen = used};
    MsgCall c = {&msg, flags, 0};
    if (sock_call(s, true, false, do_sendmsg, &c, NULL, s->timeout) < 0) {
        return NULL;
    }
    return PyLong_FromSsize_t(c.result);
}

/* ---- the type ----------------------------------------------------------------------------- */

#define KW(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef sock_methods[] = {
    {"_accept", sock_accept, METH_NOARGS,
     "_accept($self, /)\n--\n\n_accept() -> (integer, address info)"},
    {"bind", sock_bind, METH_O, "bind($self, object, /)\n--\n\nbind(address)"},
    {"close", sock_close, METH_NOARGS, "close($self, /)\n--\n\nclose()"},
    {"connect", sock_connect, METH_O, "connect($self, object, /)\n--\n\nconnect(address)"},
    {"connect_ex", sock_connect_ex, METH_O,
     "connect_ex($self, object, /)\n--\n\nconnect_ex(address) -> errno"},
    {"detach", sock_detach, METH_NOARGS, "detach($self, /)\n--\n\ndetach()"},
    {"fileno", sock_fileno, METH_NOARGS, "fileno($self, /)\n--\n\nfileno() -> integer"},
    {"getpeername", sock_getpeername, METH_NOARGS,
     "getpeername($self, /)\n--\n\ngetpeername() -> address info"},
    {"getsockname", sock_getsockname, METH_NOARGS,
     "getsockname($self, /)\n--\n\ngetsockname() -> address info"},
    {"getsockopt", (PyCFunction)(void *)sock_getsockopt, METH_FASTCALL,
     "getsockopt(level, option[, buffersize]) -> value"},
    {"listen", (PyCFunction)(void *)sock_listen, METH_FASTCALL, "listen([backlog])"},
    {"recv", (PyCFunction)(void *)sock_recv,
     METH_FASTCALL, "recv(buffersize[, flags]) -> data"},
    {"recv_into", (PyCFunction)(void *)sock_recv_into, METH_FASTCALL | METH_KEYWORDS,
     "recv_into(buffer, [nbytes[, flags]]) -> nbytes_read"},
    {"recvfrom", (PyCFunction)(void *)sock_recvfrom, METH_FASTCALL,
     "recvfrom(buffersize[, flags]) -> (data, address info)"},
    {"recvfrom_into", (PyCFunction)(void *)sock_recvfrom_into,
     METH_FASTCALL | METH_KEYWORDS,
     "recvfrom_into(buffer[, nbytes[, flags]]) -> (nbytes, address info)"},
    {"send", (PyCFunction)(void *)sock_send,
     METH_FASTCALL, "send(data[, flags]) -> count"},
    {"sendall", (PyCFunction)(void *)sock_sendall,
     METH_FASTCALL, "sendall(data[, flags])"},
    {"sendto", sock_sendto, METH_VARARGS, "sendto(data[, flags], address) -> count"},
    {"setblocking", sock_setblocking, METH_O,
     "setblocking($self, object, /)\n--\n\nsetblocking(flag)"},
    {"getblocking", sock_getblocking, METH_NOARGS,
     "getblocking($self, /)\n--\n\ngetblocking()"},
    {"settimeout", sock_settimeout, METH_O,
     "settimeout($self, object, /)\n--\n\nsettimeout(timeout)"},
    {"gettimeout", sock_gettimeout, METH_NOARGS,
     "gettimeout($self, /)\n--\n\ngettimeout() -> timeout"},
    {"setsockopt", sock_setsockopt, METH_VARARGS,
     "setsockopt(level, option, value: int)\n"
     "setsockopt(level, option, value: buffer)\n"
     "setsockopt(level, option, None, optlen: int)"},
    {"shutdown", sock_shutdown, METH_O, "shutdown($self, object, /)\n--\n\nshutdown(flag)"},
    {"recvmsg", (PyCFunction)(void *)sock_recvmsg, METH_FASTCALL,
     "recvmsg(bufsize[, ancbufsize[, flags]]) -> (data, ancdata, msg_flags, address)"},
    {"recvmsg_into", (PyCFunction)(void *)sock_recvmsg_into, METH_FASTCALL,
     "recvmsg_into(buffers[, ancbufsize[, flags]]) -> "
     "(nbytes, ancdata, msg_flags, address)"},
    {"sendmsg", (PyCFunction)(void *)sock_sendmsg, METH_FASTCALL,
     "sendmsg(buffers[, ancdata[, flags[, address]]]) -> count"},
    {"sendmsg_afalg", (PyCFunction)(void *)sock_sendmsg_afalg,
     METH_FASTCALL | METH_KEYWORDS,
     "sendmsg_afalg([msg], *, op[, iv[, assoclen[, flags=MSG_MORE]]])"},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef sock_members[] = {
    {"family", Py_T_INT, offsetof(NjSock, family), Py_READONLY, "the socket family"},
    {"type", Py_T_INT, offsetof(NjSock, type), Py_READONLY, "the socket type"},
    {"proto", Py_T_INT, offsetof(NjSock, proto), Py_READONLY, "the socket protocol"},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef sock_getset[] = {
    {"timeout", sock_get_timeout, NULL, "the socket timeout", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot sock_slots[] = {
    {Py_tp_dealloc, sock_dealloc},
    {Py_tp_traverse, sock_traverse},
    {Py_tp_repr, sock_repr},
    {Py_tp_doc, "socket(family=AF_INET, type=SOCK_STREAM, proto=0) -> socket object\n"
                "socket(family=-1, type=-1, proto=-1, fileno=fd) -> socket object"},
    {Py_tp_methods, sock_methods},
    {Py_tp_members, sock_members},
    {Py_tp_getset, sock_getset},
    {Py_tp_init, sock_init},
    {Py_tp_new, sock_new},
    {Py_tp_finalize, sock_finalize},
    {0, NULL},
};

static PyType_Spec sock_spec = {
    .name = "_socket.socket",
    .basicsize = sizeof(NjSock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = sock_slots,
};

/* ---- module functions: names -------------------------------------------------------------- */

static PyObject *
mod_gethostname(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    char name[1024];
    if (PySys_Audit("socket.gethostname", NULL) < 0) {
        return NULL;
    }
    int r;
    Py_BEGIN_ALLOW_THREADS
    r = gethostname(name, sizeof(name) - 1);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return os_error();
    }
    name[sizeof(name) - 1] = 0;
    return PyUnicode_DecodeFSDefault(name);
}

static PyObject *
mod_sethostname(PyObject *module, PyObject *args)
{
    NJ_OWN name = NULL;
    if (!PyArg_ParseTuple(args, "O&:sethostname", PyUnicode_FSConverter, &name)
        || PySys_Audit("socket.sethostname", "(O)", PyTuple_GET_ITEM(args, 0)) < 0) {
        return NULL;
    }
    if (sethostname(PyBytes_AS_STRING(name), (size_t)PyBytes_GET_SIZE(name)) < 0) {
        return os_error();
    }
    Py_RETURN_NONE;
}

/* The one host name argument of the resolver functions. New bytes. */
static PyObject *
host_argument(PyObject *args, const char *fname)
{
    PyObject *o;
    if (!PyArg_UnpackTuple(args, fname, 1, 1, &o)) {
        return NULL;
    }
    if (!PyUnicode_Check(o) && !PyBytes_Check(o) && !PyByteArray_Check(o)) {
        PyErr_Format(PyExc_TypeError,
                     "%s() argument 1 must be str, bytes or bytearray, not %.200s", fname,
                     o == Py_None ? "None" : Py_TYPE(o)->tp_name);
        return NULL;
    }
    PyObject *host;
    return host_converter(o, &host) ? host : NULL;
}

static PyObject *
mod_gethostbyname(PyObject *module, PyObject *args)
{
    NJ_OWN host = host_argument(args, "gethostbyname");
    if (!host
        || PySys_Audit("socket.gethostbyname", "O", PyTuple_GET_ITEM(args, 0)) < 0) {
        return NULL;
    }
    Address a;
    socklen_t len;
    if (resolve(state_of(module), PyBytes_AS_STRING(host), AF_INET, &a, &len) < 0) {
        return NULL;
    }
    return ip_text(AF_INET, &a.in.sin_addr);
}

static PyObject *
host_entry(SockState *st, struct hostent *h, int error)
{
    if (!h) {
        return set_h_error(st, error);
    }
    NJ_OWN aliases = PyList_New(0);
    NJ_OWN addresses = PyList_New(0);
    if (!aliases || !addresses) {
        return NULL;
    }
    for (char **p = h->h_aliases; p && *p; p++) {
        NJ_OWN text = PyUnicode_DecodeFSDefault(*p);
        if (!text || PyList_Append(aliases, text) < 0) {
            return NULL;
        }
    }
    for (char **p = h->h_addr_list; *p; p++) {
        NJ_OWN text = ip_text(h->h_addrtype, *p);
        if (!text || PyList_Append(addresses, text) < 0) {
            return NULL;
        }
    }
    return Py_BuildValue("O&OO", PyUnicode_DecodeFSDefault, h->h_name, aliases, addresses);
}

static PyObject *
mod_gethostbyname_ex(PyObject *module, PyObject *args)
{
    NJ_OWN host = host_argument(args, "gethostbyname_ex");
    if (!host
        || PySys_Audit("socket.gethostbyname", "O", PyTuple_GET_ITEM(args, 0)) < 0) {
        return NULL;
    }
    Address a;
    socklen_t len;
    if (resolve(state_of(module), PyBytes_AS_STRING(host), AF_INET, &a, &len) < 0) {
        return NULL;
    }
    char buffer[16384];
    struct hostent entry, *h = NULL;
    int error;
    Py_BEGIN_ALLOW_THREADS
    gethostbyname_r(PyBytes_AS_STRING(host), &entry, buffer, sizeof(buffer), &h, &error);
    Py_END_ALLOW_THREADS
    return host_entry(state_of(module), h, error);
}

static PyObject *
mod_gethostbyaddr(PyObject *module, PyObject *args)
{
    NJ_OWN host = host_argument(args, "gethostbyaddr");
    if (!host
        || PySys_Audit("socket.gethostbyaddr", "O", PyTuple_GET_ITEM(args, 0)) < 0) {
        return NULL;
    }
    Address a;
    socklen_t len;
    if (resolve(state_of(module), PyBytes_AS_STRING(host), AF_UNSPEC, &a, &len) < 0) {
        return NULL;
    }
    const void *address = &a.in.sin_addr;
    socklen_t size = sizeof(a.in.sin_addr);
    if (a.sa.sa_family == AF_INET6) {
        address = &a.in6.sin6_addr;
        size = sizeof(a.in6.sin6_addr);
    } else if (a.sa.sa_family != AF_INET) {
        PyErr_SetString(PyExc_OSError, "unsupported address family");
        return NULL;
    }
    char buffer[16384];
    struct hostent entry, *h = NULL;
    int error;
    Py_BEGIN_ALLOW_THREADS
    gethostbyaddr_r(address, size, a.sa.sa_family, &entry, buffer, sizeof(buffer), &h,
                    &error);
    Py_END_ALLOW_THREADS
    return host_entry(state_of(module), h, error);
}

static PyObject *
mod_getservbyname(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const char *name, *proto = NULL;
    if (!_PyArg_ParseStack(args, nargs, "s|s:getservbyname", &name, &proto)
        || PySys_Audit("socket.getservbyname", "ss", name, proto) < 0) {
        return NULL;
    }
    struct servent entry, *sp = NULL;
    char buffer[4096];
    Py_BEGIN_ALLOW_THREADS
    getservbyname_r(name, proto, &entry, buffer, sizeof(buffer), &sp);
    Py_END_ALLOW_THREADS
    if (!sp) {
        PyErr_SetString(PyExc_OSError, "service/proto not found");
        return NULL;
    }
    return PyLong_FromLong(ntohs((uint16_t)sp->s_port));
}

static PyObject *
mod_getservbyport(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    int port;
    const char *proto = NULL;
    if (!_PyArg_ParseStack(args, nargs, "i|s:getservbyport", &port, &proto)) {
        return NULL;
    }
    if (port < 0 || port > 0xffff) {
        PyErr_SetString(PyExc_OverflowError, "getservbyport: port must be 0-65535.");
        return NULL;
    }
    if (PySys_Audit("socket.getservbyport", "is", port, proto) < 0) {
        return NULL;
    }
    struct servent entry, *sp = NULL;
    char buffer[4096];
    Py_BEGIN_ALLOW_THREADS
    getservbyport_r(htons((uint16_t)port), proto, &entry, buffer, sizeof(buffer), &sp);
    Py_END_ALLOW_THREADS
    if (!sp) {
        PyErr_SetString(PyExc_OSError, "port/proto not found");
        return NULL;
    }
    return PyUnicode_FromString(sp->s_name);
}

static PyObject *
mod_getprotobyname(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const char *name;
    if (!_PyArg_ParseStack(args, nargs, "s:getprotobyname", &name)) {
        return NULL;
    }
    struct protoent entry, *p = NULL;
    char buffer[4096];
    Py_BEGIN_ALLOW_THREADS
    getprotobyname_r(name, &entry, buffer, sizeof(buffer), &p);
    Py_END_ALLOW_THREADS
    if (!p) {
        PyErr_SetString(PyExc_OSError, "protocol not found");
        return NULL;
    }
    return PyLong_FromLong(p->p_proto);
}

static void
free_addrinfo(struct addrinfo **res)
{
    if (*res) {
        freeaddrinfo(*res);
    }
}

static PyObject *
mod_getaddrinfo(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    static char *names[] = {"host", "port", "family", "type", "proto", "flags", NULL};
    PyObject *host, *port;
    struct addrinfo hints = {0};
    __attribute__((cleanup(free_addrinfo))) struct addrinfo *res = NULL;
    if (!nj_args_parse(args, nargs, kwnames, "OO|iiii:getaddrinfo", names, &host,
                                     &port, &hints.ai_family, &hints.ai_socktype,
                                     &hints.ai_protocol, &hints.ai_flags)) {
        return NULL;
    }
    NJ_OWN host_bytes = NULL;
    NJ_OWN port_text = NULL;
    const char *h = NULL, *p = NULL;
    if (PyUnicode_Check(host)) {
        host_bytes = PyUnicode_AsEncodedString(host, "idna", NULL);
        if (!host_bytes) {
            return NULL;
        }
        h = PyBytes_AS_STRING(host_bytes);
    } else if (PyBytes_Check(host)) {
        h = PyBytes_AS_STRING(host);
    } else if (host != Py_None) {
        PyErr_SetString(PyExc_TypeError,
                        "getaddrinfo() argument 1 must be string or None");
        return NULL;
    }
    if (PyLong_Check(port)) {
        port_text = PyLong_Type.tp_repr(port);
        p = port_text ? PyUnicode_AsUTF8(port_text) : NULL;
        if (!p) {
            return NULL;
        }
    } else if (PyUnicode_Check(port)) {
        p = PyUnicode_AsUTF8(port);
        if (!p) {
            return NULL;
        }
    } else if (PyBytes_Check(port)) {
        p = PyBytes_AS_STRING(port);
    } else if (port != Py_None) {
        PyErr_SetString(PyExc_OSError, "Int or String expected");
        return NULL;
    }
    if (PySys_Audit("socket.getaddrinfo", "OOiii", host, port, hints.ai_family,
                    hints.ai_socktype, hints.ai_protocol) < 0) {
        return NULL;
    }
    int error;
    Py_BEGIN_ALLOW_THREADS
    error = getaddrinfo(h, p, &hints, &res);
    Py_END_ALLOW_THREADS
    if (error) {
        res = NULL;
        return set_gai_error(state_of(module), error);
    }
    NJ_OWN out = PyList_New(0);
    for (struct addrinfo *r = res; out && r; r = r->ai_next) {
        Address a = {0};
        memcpy(&a, r->ai_addr,
               r->ai_addrlen < sizeof(a) ? r->ai_addrlen : sizeof(a));
        PyObject *address = make_address(-1, &a, r->ai_addrlen, hints.ai_protocol);
        if (!address) {
            return NULL;
        }
        NJ_OWN item =
            Py_BuildValue("iiisN", r->ai_family, r->ai_socktype, r->ai_protocol,
                          r->ai_canonname ? r->ai_canonname : "", address);
        if (!item || PyList_Append(out, item) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(out);
}

static PyObject *
mod_getnameinfo(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *sa;
    int flags, port;
    const char *host;
    unsigned flowinfo = 0, scope = 0;
    if (!_PyArg_ParseStack(args, nargs, "Oi:getnameinfo", &sa, &flags)) {
        return NULL;
    }
    if (!PyTuple_Check(sa)) {
        PyErr_SetString(PyExc_TypeError, "getnameinfo() argument 1 must be a tuple");
        return NULL;
    }
    if (!PyArg_ParseTuple(sa, "si|II;getnameinfo(): illegal sockaddr argument", &host,
                          &port, &flowinfo, &scope)) {
        return NULL;
    }
    if (flowinfo > 0xfffff) {
        PyErr_SetString(PyExc_OverflowError,
                        "getnameinfo(): flowinfo must be 0-1048575.");
        return NULL;
    }
    if (PySys_Audit("socket.getnameinfo", "(O)", sa) < 0) {
        return NULL;
    }
    char service[32];
    snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM,
                             .ai_flags = AI_NUMERICHOST};
    __attribute__((cleanup(free_addrinfo))) struct addrinfo *res = NULL;
    int error;
    Py_BEGIN_ALLOW_THREADS
    error = getaddrinfo(host, service, &hints, &res);
    Py_END_ALLOW_THREADS
    if (error) {
        res = NULL;
        return set_gai_error(state_of(module), error);
    }
    if (res->ai_next) {
        PyErr_SetString(PyExc_OSError, "sockaddr resolved to multiple addresses");
        return NULL;
    }
    if (res->ai_family == AF_INET) {
        if (PyTuple_GET_SIZE(sa) != 2) {
            PyErr_SetString(PyExc_OSError, "IPv4 sockaddr must be 2 tuple");
            return NULL;
        }
    } else if (res->ai_family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)res->ai_addr;
        in6->sin6_flowinfo = htonl(flowinfo);
        in6->sin6_scope_id = scope;
    }
    char hbuf[NI_MAXHOST], pbuf[NI_MAXSERV];
    Py_BEGIN_ALLOW_THREADS
    error = getnameinfo(res->ai_addr, res->ai_addrlen, hbuf, sizeof(hbuf), pbuf,
                        sizeof(pbuf), flags);
    Py_END_ALLOW_THREADS
    if (error) {
        return set_gai_error(state_of(module), error);
    }
    return Py_BuildValue("O&s", PyUnicode_DecodeFSDefault, hbuf, pbuf);
}

/* ---- module functions: numbers, interfaces, the rest --------------------------------------- */

static int
read_unsigned(PyObject *o, unsigned long max, const char *ctype, unsigned long *out)
{
    NJ_OWN index = PyNumber_Index(o);
    if (!index) {
        return -1;
    }
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(index, &overflow);
    if (overflow < 0 || (!overflow && v < 0)) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
        return -1;
    }
    if (overflow || (unsigned long long)v > max) {
        PyErr_Format(PyExc_OverflowError, "Python int too large for C %s", ctype);
        return -1;
    }
    *out = (unsigned long)v;
    return 0;
}

#define ORDER_FUNCTION(name, max, ctype)                                               \
    static PyObject *mod_##name(PyObject *module, PyObject *arg)                       \
    {                                                                                  \
        unsigned long v;                                                               \
        if (read_unsigned(arg, max, #ctype, &v) < 0) {                                 \
            return NULL;                                                               \
        }                                                                              \
        return PyLong_FromUnsignedLong(name((ctype)v));                                \
    }
ORDER_FUNCTION(htons, UINT16_MAX, uint16_t)
ORDER_FUNCTION(ntohs, UINT16_MAX, uint16_t)
ORDER_FUNCTION(htonl, UINT32_MAX, uint32_t)
ORDER_FUNCTION(ntohl, UINT32_MAX, uint32_t)

static PyObject *
mod_inet_aton(PyObject *module, PyObject *arg)
{
    const char *text;
    struct in_addr a;
    if (!PyArg_Parse(arg, "s:inet_aton", &text)) {
        return NULL;
    }
    if (!inet_aton(text, &a)) {
        PyErr_SetString(PyExc_OSError, "illegal IP address string passed to inet_aton");
        return NULL;
    }
    return PyBytes_FromStringAndSize((const char *)&a, sizeof(a));
}

static PyObject *
mod_inet_ntoa(PyObject *module, PyObject *arg)
{
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(arg, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (view.len != sizeof(struct in_addr)) {
        PyErr_SetString(PyExc_OSError, "packed IP wrong length for inet_ntoa");
        return NULL;
    }
    return ip_text(AF_INET, view.buf);
}

static PyObject *
mod_inet_pton(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    int family;
    const char *text;
    char packed[sizeof(struct in6_addr)];
    if (!_PyArg_ParseStack(args, nargs, "is:inet_pton", &family, &text)) {
        return NULL;
    }
    int r = inet_pton(family, text, packed);
    if (r < 0) {
        return os_error();
    }
    if (r == 0) {
        PyErr_SetString(PyExc_OSError, "illegal IP address string passed to inet_pton");
        return NULL;
    }
    return PyBytes_FromStringAndSize(packed, family == AF_INET6 ? 16 : 4);
}

static PyObject *
mod_inet_ntop(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    int family;
    NJ_OWN_BUF view = {0};
    if (!_PyArg_ParseStack(args, nargs, "iy*:inet_ntop", &family, &view)) {
        return NULL;
    }
    if (family != AF_INET && family != AF_INET6) {
        PyErr_Format(PyExc_ValueError, "unknown address family %d", family);
        return NULL;
    }
    if (view.len != (family == AF_INET ? 4 : 16)) {
        PyErr_SetString(PyExc_ValueError, "invalid length of packed IP address string");
        return NULL;
    }
    return ip_text(family, view.buf);
}

static void
free_nameindex(struct if_nameindex **list)
{
    if (*list) {
        if_freenameindex(*list);
    }
}

static PyObject *
mod_if_nameindex(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    __attribute__((cleanup(free_nameindex))) struct if_nameindex *list = if_nameindex();
    if (!list) {
        return os_error();
    }
    NJ_OWN out = PyList_New(0);
    for (int i = 0; out && list[i].if_index && list[i].if_name; i++) {
        NJ_OWN item = Py_BuildValue("IO&", list[i].if_index, PyUnicode_DecodeFSDefault,
                                    list[i].if_name);
        if (!item || PyList_Append(out, item) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(out);
}

static PyObject *
mod_if_nametoindex(PyObject *module, PyObject *arg)
{
    NJ_OWN name = NULL;
    if (!PyUnicode_FSConverter(arg, &name)) {
        return NULL;
    }
    errno = ENODEV;
    unsigned index = if_nametoindex(PyBytes_AS_STRING(name));
    return index ? PyLong_FromUnsignedLong(index) : os_error();
}

static PyObject *
mod_if_indextoname(PyObject *module, PyObject *arg)
{
    unsigned long index;
    char name[IF_NAMESIZE + 1];
    if (read_unsigned(arg, UINT_MAX, "unsigned int", &index) < 0) {
        return NULL;
    }
    return if_indextoname((unsigned)index, name) ? PyUnicode_DecodeFSDefault(name)
                                                 : os_error();
}

static PyObject *
mod_close(PyObject *module, PyObject *arg)
{
    int fd = PyLong_AsInt(arg), r;
    if (fd == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = close(fd);
    Py_END_ALLOW_THREADS
    if (r < 0 && errno != ECONNRESET) {
        return os_error();
    }
    Py_RETURN_NONE;
}

static PyObject *
mod_dup(PyObject *module, PyObject *arg)
{
    int fd = PyLong_AsInt(arg);
    if (fd == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int r = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return r < 0 ? os_error() : PyLong_FromLong(r);
}

static PyObject *
new_sock(SockState *st, int fd, int family, int type, int proto)
{
    NJ_OWN o = sock_new(st->sock_type, NULL, NULL);
    if (!o) {
        close(fd);
        return NULL;
    }
    if (adopt((NjSock *)o, fd, family, type, proto) < 0) {
        ((NjSock *)o)->fd = -1;
        close(fd);
        return NULL;
    }
    return NJ_TAKE(o);
}

static PyObject *
mod_socketpair(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    int family = AF_UNIX, type = SOCK_STREAM, proto = 0, fds[2], r;
    if (!_PyArg_ParseStack(args, nargs, "|iii:socketpair", &family, &type, &proto)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = socketpair(family, type | SOCK_CLOEXEC, proto, fds);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return os_error();
    }
    SockState *st = state_of(module);
    NJ_OWN a = new_sock(st, fds[0], family, type, proto);
    if (!a) {
        close(fds[1]);
        return NULL;
    }
    NJ_OWN b = new_sock(st, fds[1], family, type, proto);
    return b ? PyTuple_Pack(2, a, b) : NULL;
}

static PyObject *
mod_getdefaulttimeout(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return timeout_object(state_of(module)->default_timeout);
}

static PyObject *
mod_setdefaulttimeout(PyObject *module, PyObject *arg)
{
    PyTime_t t;
    if (read_timeout(arg, &t) < 0) {
        return NULL;
    }
    state_of(module)->default_timeout = t;
    Py_RETURN_NONE;
}

static PyObject *
mod_CMSG_LEN(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t n;
    if (!_PyArg_ParseStack(args, nargs, "n:CMSG_LEN", &n)) {
        return NULL;
    }
    if (n < 0 || (size_t)n > INT_MAX - CMSG_LEN(0)) {
        PyErr_SetString(PyExc_OverflowError, "CMSG_LEN() argument out of range");
        return NULL;
    }
    return PyLong_FromSize_t(CMSG_LEN((size_t)n));
}

static PyObject *
mod_CMSG_SPACE(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t n;
    if (!_PyArg_ParseStack(args, nargs, "n:CMSG_SPACE", &n)) {
        return NULL;
    }
    if (n < 0 || (size_t)n > INT_MAX - CMSG_SPACE(1)) {
        PyErr_SetString(PyExc_OverflowError, "CMSG_SPACE() argument out of range");
        return NULL;
    }
    return PyLong_FromSize_t(CMSG_SPACE((size_t)n));
}

static PyMethodDef module_methods[] = {
    {"gethostbyname", mod_gethostbyname, METH_VARARGS, "gethostbyname(host) -> address"},
    {"gethostbyname_ex", mod_gethostbyname_ex, METH_VARARGS,
     "gethostbyname_ex(host) -> (name, aliaslist, addresslist)"},
    {"gethostbyaddr", mod_gethostbyaddr, METH_VARARGS,
     "gethostbyaddr(host) -> (name, aliaslist, addresslist)"},
    {"gethostname", mod_gethostname, METH_NOARGS,
     "gethostname($self, /)\n--\n\ngethostname() -> string"},
    {"sethostname", mod_sethostname, METH_VARARGS, "sethostname(name)"},
    {"getservbyname", (PyCFunction)(void *)mod_getservbyname, METH_FASTCALL,
     "getservbyname(servicename[, protocolname]) -> integer"},
    {"getservbyport", (PyCFunction)(void *)mod_getservbyport, METH_FASTCALL,
     "getservbyport(port[, protocolname]) -> string"},
    {"getprotobyname", (PyCFunction)(void *)mod_getprotobyname, METH_FASTCALL,
     "getprotobyname(name) -> integer"},
    {"close", mod_close, METH_O, "close($self, object, /)\n--\n\nclose(integer) -> None"},
    {"dup", mod_dup, METH_O, "dup($self, object, /)\n--\n\ndup(integer) -> integer"},
    {"socketpair", (PyCFunction)(void *)mod_socketpair, METH_FASTCALL,
     "socketpair([family[, type [, proto]]]) -> (socket object, socket object)"},
    {"ntohs", mod_ntohs, METH_O,
     "ntohs($module, integer, /)\n--\n\nConvert 16 bits from network to host order."},
    {"ntohl", mod_ntohl, METH_O,
     "ntohl($module, integer, /)\n--\n\nConvert 32 bits from network to host order."},
    {"htons", mod_htons, METH_O,
     "htons($module, integer, /)\n--\n\nConvert 16 bits from host to network order."},
    {"htonl", mod_htonl, METH_O,
     "htonl($module, integer, /)\n--\n\nConvert 32 bits from host to network order."},
    {"inet_aton", mod_inet_aton, METH_O,
     "inet_aton($module, ip_addr, /)\n--\n\nPack an IPv4 address."},
    {"inet_ntoa", mod_inet_ntoa, METH_O,
     "inet_ntoa($module, packed_ip, /)\n--\n\nThe text of a packed IPv4 address."},
    {"inet_pton", (PyCFunction)(void *)mod_inet_pton, METH_FASTCALL,
     "inet_pton(af, ip) -> packed IP address string"},
    {"inet_ntop", (PyCFunction)(void *)mod_inet_ntop, METH_FASTCALL,
     "inet_ntop(af, packed_ip) -> string formatted IP address"},
    {"getaddrinfo", (PyCFunction)(void *)mod_getaddrinfo, METH_FASTCALL | METH_KEYWORDS,
     "getaddrinfo(host, port [, family, type, proto, flags])\n"
     "    -> list of (family, type, proto, canonname, sockaddr)"},
    {"getnameinfo", (PyCFunction)(void *)mod_getnameinfo, METH_FASTCALL,
     "getnameinfo(sockaddr, flags) --> (host, port)"},
    {"getdefaulttimeout", mod_getdefaulttimeout, METH_NOARGS,
     "getdefaulttimeout($self, /)\n--\n\ngetdefaulttimeout() -> timeout"},
    {"setdefaulttimeout", mod_setdefaulttimeout, METH_O,
     "setdefaulttimeout($self, object, /)\n--\n\nsetdefaulttimeout(timeout)"},
    {"if_nameindex", mod_if_nameindex, METH_NOARGS,
     "if_nameindex($self, /)\n--\n\nif_nameindex()"},
    {"if_nametoindex", mod_if_nametoindex, METH_O,
     "if_nametoindex($module, oname, /)\n--\n\nThe index of an interface."},
    {"if_indextoname", mod_if_indextoname, METH_O,
     "if_indextoname($module, if_index, /)\n--\n\nThe name of an interface."},
    {"CMSG_LEN", (PyCFunction)(void *)mod_CMSG_LEN,
     METH_FASTCALL, "CMSG_LEN(length) -> control message length"},
    {"CMSG_SPACE", (PyCFunction)(void *)mod_CMSG_SPACE,
     METH_FASTCALL, "CMSG_SPACE(length) -> buffer size"},
    {NULL, NULL, 0, NULL},
};

/* ---- the module --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    long long value;
} constants[] = {
#define N(n) {#n, (long long)n},
#define V(n, v) {#n, v},
#include "modules/socket_names.inc"
#undef N
#undef V
};

static void
drop_capi(PyObject *capsule)
{
    NjSockCapi *c = PyCapsule_GetPointer(capsule, "_socket.CAPI");
    if (c) {
        Py_XDECREF(c->sock_type);
        PyMem_Free(c);
    }
}

static int
traverse_capi(PyObject *capsule, visitproc visit, void *arg)
{
    NjSockCapi *c = PyCapsule_GetPointer(capsule, "_socket.CAPI");
    Py_VISIT(c->sock_type);
    return 0;
}

static int
clear_capi(PyObject *capsule)
{
    NjSockCapi *c = PyCapsule_GetPointer(capsule, "_socket.CAPI");
    Py_CLEAR(c->sock_type);
    return 0;
}

/* exported by the reference, in no public header */
PyAPI_FUNC(int) _PyCapsule_SetTraverse(PyObject *op, traverseproc traverse, inquiry clear);

static int
module_exec(PyObject *module)
{
    SockState *st = state_of(module);
    st->default_timeout = -1;
    st->herror = PyErr_NewException("socket.herror", PyExc_OSError, NULL);
    st->gaierror = PyErr_NewException("socket.gaierror", PyExc_OSError, NULL);
    st->sock_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &sock_spec, NULL);
    if (!st->herror || !st->gaierror || !st->sock_type) {
        return -1;
    }
    NjSockCapi *capi = PyMem_New(NjSockCapi, 1);
    if (!capi) {
        PyErr_NoMemory();
        return -1;
    }
    capi->sock_type = (PyTypeObject *)Py_NewRef(st->sock_type);
    capi->error = PyExc_OSError;
    capi->timeout_error = PyExc_TimeoutError;
    NJ_OWN capsule = PyCapsule_New(capi, "_socket.CAPI", drop_capi);
    if (!capsule) {
        Py_DECREF(capi->sock_type);
        PyMem_Free(capi);
        return -1;
    }
    if (_PyCapsule_SetTraverse(capsule, traverse_capi, clear_capi) < 0) {
        return -1;
    }
    if (PyModule_AddObjectRef(module, "error", PyExc_OSError) < 0
        || PyModule_AddObjectRef(module, "timeout", PyExc_TimeoutError) < 0
        || PyModule_AddObjectRef(module, "herror", st->herror) < 0
        || PyModule_AddObjectRef(module, "gaierror", st->gaierror) < 0
        || PyModule_AddObjectRef(module, "SocketType", (PyObject *)st->sock_type) < 0
        || PyModule_AddObjectRef(module, "socket", (PyObject *)st->sock_type) < 0
        || PyModule_AddObjectRef(module, "CAPI", capsule) < 0
        || PyModule_AddObjectRef(module, "has_ipv6", Py_True) < 0
        || PyModule_AddStringConstant(module, "BDADDR_ANY", "00:00:00:00:00:00") < 0
        || PyModule_AddStringConstant(module, "BDADDR_LOCAL", "00:00:00:FF:FF:FF") < 0) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_Add(module, constants[i].name,
                         PyLong_FromLongLong(constants[i].value)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    SockState *st = state_of(module);
    Py_VISIT(st->sock_type);
    Py_VISIT(st->herror);
    Py_VISIT(st->gaierror);
    return 0;
}

static int
module_clear(PyObject *module)
{
    SockState *st = state_of(module);
    Py_CLEAR(st->sock_type);
    Py_CLEAR(st->herror);
    Py_CLEAR(st->gaierror);
    return 0;
}

static void
module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef socket_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_socket",
    .m_doc = "Implementation module for socket operations.\n\n"
             "See the socket module for documentation.",
    .m_size = sizeof(SockState),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__socket(void);

PyMODINIT_FUNC
PyInit__socket(void)
{
    return PyModuleDef_Init(&socket_module);
}

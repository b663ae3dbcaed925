/* SPDX-License-Identifier: MIT */
/*
 * The texts of errno. strerror's buffer is shared between threads and its words depend on the
 * locale; these are the same everywhere, in lower case, and fit the end of a sentence.
 */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"

#define ERRNO_TEXTS(X)                                                                             \
    X(EPERM, "operation not permitted")                                                            \
    X(ENOENT, "no such file or directory")                                                         \
    X(EINTR, "interrupted")                                                                        \
    X(EIO, "input/output error")                                                                   \
    X(ENXIO, "no such device or address")                                                          \
    X(E2BIG, "argument list too long")                                                             \
    X(ENOEXEC, "not an executable")                                                                \
    X(EBADF, "bad file descriptor")                                                                \
    X(ECHILD, "no such child process")                                                             \
    X(EAGAIN, "resource temporarily unavailable")                                                  \
    X(ENOMEM, "out of memory")                                                                     \
    X(EACCES, "permission denied")                                                                 \
    X(EFAULT, "bad address")                                                                       \
    X(EBUSY, "device or resource busy")                                                            \
    X(EEXIST, "file exists")                                                                       \
    X(EXDEV, "link across devices")                                                                \
    X(ENODEV, "no such device")                                                                    \
    X(ENOTDIR, "not a directory")                                                                  \
    X(EISDIR, "is a directory")                                                                    \
    X(EINVAL, "invalid argument")                                                                  \
    X(ENFILE, "too many open files in the system")                                                 \
    X(EMFILE, "too many open files")                                                               \
    X(ENOTTY, "not a terminal")                                                                    \
    X(ETXTBSY, "text file busy")                                                                   \
    X(EFBIG, "file too large")                                                                     \
    X(ENOSPC, "no space left on device")                                                           \
    X(ESPIPE, "cannot seek")                                                                       \
    X(EROFS, "read-only file system")                                                              \
    X(EMLINK, "too many links")                                                                    \
    X(EPIPE, "broken pipe")                                                                        \
    X(EDOM, "argument out of domain")                                                              \
    X(ERANGE, "result out of range")                                                               \
    X(EDEADLK, "would deadlock")                                                                   \
    X(ENAMETOOLONG, "file name too long")                                                          \
    X(ENOSYS, "not implemented by the system")                                                     \
    X(ENOTEMPTY, "directory not empty")                                                            \
    X(ELOOP, "too many symbolic links")                                                            \
    X(ENODATA, "no data available")                                                                \
    X(ETIME, "timer expired")                                                                      \
    X(EPROTO, "protocol error")                                                                    \
    X(EBADMSG, "bad message")                                                                      \
    X(EOVERFLOW, "value too large")                                                                \
    X(EILSEQ, "invalid byte sequence")                                                             \
    X(EUSERS, "too many users")                                                                    \
    X(ENOTSOCK, "not a socket")                                                                    \
    X(EDESTADDRREQ, "destination address required")                                                \
    X(EMSGSIZE, "message too long")                                                                \
    X(EPROTOTYPE, "wrong protocol for this socket")                                                \
    X(ENOPROTOOPT, "no such protocol option")                                                      \
    X(EPROTONOSUPPORT, "protocol not supported")                                                   \
    X(ESOCKTNOSUPPORT, "socket type not supported")                                                \
    X(EOPNOTSUPP, "operation not supported")                                                       \
    X(EPFNOSUPPORT, "protocol family not supported")                                               \
    X(EAFNOSUPPORT, "address family not supported")                                                \
    X(EADDRINUSE, "address already in use")                                                        \
    X(EADDRNOTAVAIL, "address not available")                                                      \
    X(ENETDOWN, "network is down")                                                                 \
    X(ENETUNREACH, "network is unreachable")                                                       \
    X(ENETRESET, "connection dropped by the network")                                              \
    X(ECONNABORTED, "connection aborted")                                                          \
    X(ECONNRESET, "connection reset by peer")                                                      \
    X(ENOBUFS, "no buffer space available")                                                        \
    X(EISCONN, "already connected")                                                                \
    X(ENOTCONN, "not connected")                                                                   \
    X(ESHUTDOWN, "cannot send after shutdown")                                                     \
    X(ETIMEDOUT, "connection timed out")                                                           \
    X(ECONNREFUSED, "connection refused")                                                          \
    X(EHOSTDOWN, "host is down")                                                                   \
    X(EHOSTUNREACH, "no route to host")                                                            \
    X(EALREADY, "already in progress")                                                             \
    X(EINPROGRESS, "in progress")                                                                  \
    X(ESTALE, "stale file handle")                                                                 \
    X(EDQUOT, "disk quota exceeded")                                                               \
    X(ECANCELED, "cancelled")

const char *bl_errno_text(int os_error)
{
    static _Thread_local char other[24];

    switch (os_error) {
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return text;
        ERRNO_TEXTS(X)
#undef X
    default:
        snprintf(other, sizeof other, "error %d", os_error);
        return other;
    }
}

/* SPDX-License-Identifier: MIT */
/* Runs belay-origin for a test: on a port of its own choosing, gone when the test is. */
#ifndef TEST_SUPPORT_ORIGIN_H
#define TEST_SUPPORT_ORIGIN_H

#include <sys/types.h>

struct origin {
    pid_t pid;
    int port;
    char base[128]; /* "http://127.0.0.1:40001" */
};

/* Starts it with further arguments (ends in NULL; may be NULL itself) and returns when it is ready.
 * A failure fails the test. */
void origin_start(struct origin *o, const char *const args[]);
/* The same with TLS, with the certificate `name` of make-certs. */
void origin_start_tls(struct origin *o, const char *name, const char *const args[]);
/* SIGTERM: it stops accepting, finishes what it has begun. SIGKILL: it is gone. */
void origin_stop(struct origin *o, int signal);

/* base + path, in a buffer that the next calls reuse (there are 8). */
const char *origin_url(const struct origin *o, const char *path);

/* The file of a certificate ("ca.pem", "server.key"), made on first use. */
const char *origin_cert(const char *file);

#endif
